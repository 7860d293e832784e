/** Numbers as people read them: durations, large integers, percentages. */

/** "8 s", "2 min 5 s", "1 h 20 min", from two days on "2 days 3 h", from ten on "50 days". */
export function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return "?";
  if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${String(whole)} s`;
  if (whole < 3600) return `${String(Math.floor(whole / 60))} min ${String(whole % 60)} s`;
  const hours = Math.round(whole / 3600);
  if (hours >= 240) return `${formatCount(hours / 24)} days`;
  if (hours >= 48) return `${String(Math.floor(hours / 24))} days ${String(hours % 24)} h`;
  return `${String(Math.floor(whole / 3600))} h ${String(Math.floor((whole % 3600) / 60))} min`;
}

/** 12345678 -> "12,345,678". */
export function formatCount(n: number): string {
  return Math.round(n).toLocaleString("en-US");
}

/** A loss or rate with the digits that matter: 4.213, 0.0123, 1.2e-5. */
export function formatNumber(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const size = Math.abs(value);
  if (size !== 0 && (size < 1e-3 || size >= 1e6)) return value.toExponential(1);
  return value.toFixed(size >= 100 ? 1 : size >= 1 ? 3 : 4);
}
