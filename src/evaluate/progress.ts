/** Speed and time left of counted work. */

/** Seconds as people say them: "8 s", "3 min", "2.1 h". */
export function duration(seconds: number): string {
  if (seconds < 90) return `${seconds.toFixed(0)} s`;
  return seconds < 5400 ? `${(seconds / 60).toFixed(0)} min` : `${(seconds / 3600).toFixed(1)} h`;
}

/** Counts work done since now; `note` tells the speed and what is left of `total`, once there is something to tell. What was done before is skipped: it took no time. */
export function timeLeft(total: number): {
  advance(count: number): number;
  skip(count: number): number;
  note(unit: string): string;
} {
  const start = performance.now();
  let [done, skipped] = [0, 0];
  return {
    advance: (count) => (done += count),
    skip: (count) => {
      skipped += count;
      return (done += count);
    },
    note: (unit) => {
      if (done === skipped) return ""; // nothing has been timed yet
      const perSecond = (done - skipped) / Math.max((performance.now() - start) / 1000, 1e-3);
      const speed = perSecond < 10 ? perSecond.toFixed(1) : Math.round(perSecond).toLocaleString("en");
      return `${speed} ${unit}/s, ${duration(Math.max(0, total - done) / Math.max(perSecond, 1e-9))} left`;
    },
  };
}
