/** Elements from data: text only ever becomes text, so that nothing in a caption can become markup. */

type Attributes = Record<string, string | boolean | EventListener>;

/** An element with attributes (functions are listeners, true is an empty attribute, false none) and children. */
export function element<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Attributes = {},
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") made.addEventListener(name, value);
    else if (value !== false) made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}

/** A group of buttons of which one is pressed. */
export function choice<T>(
  label: string,
  options: readonly { value: T; text: string; title?: string }[],
  pick: (value: T) => void,
): { root: HTMLElement; show: (value: T) => void } {
  const buttons = options.map(({ value, text, title }) =>
    element(
      "button",
      { type: "button", "aria-pressed": "false", ...(title === undefined ? {} : { title }), click: () => pick(value) },
      text,
    ),
  );
  return {
    root: element("div", { class: "group", role: "group", "aria-label": label }, `${label}: `, ...buttons),
    show: (chosen) => {
      buttons.forEach((button, i) => button.setAttribute("aria-pressed", String(options[i]?.value === chosen)));
    },
  };
}

/**
 * Arrow keys go from one button of the element to the next, in a table of so many columns up and down to the one above and below; only
 * one of them is a tab stop.
 */
export function rove(root: HTMLElement, columns = 1): void {
  const buttons = (): HTMLButtonElement[] => [...root.querySelectorAll("button")];
  buttons().forEach((button, i) => (button.tabIndex = i === 0 ? 0 : -1));
  root.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowDown: columns, ArrowLeft: -1, ArrowUp: -columns }[event.key];
    const at = buttons().indexOf(document.activeElement as HTMLButtonElement);
    if (step === undefined || at < 0) return;
    const next = buttons()[at + step];
    event.preventDefault();
    event.stopPropagation(); // JupyterLab would go to the next cell
    next?.focus();
  });
  root.addEventListener("focusin", (event) => {
    buttons().forEach((button) => (button.tabIndex = button === event.target ? 0 : -1));
  });
}
