/** Makes the buttons inside one tab stop; the arrow keys, Home and End go from one to the next. */
export function roving(bar: HTMLElement): void {
  const stops = (): HTMLButtonElement[] => [...bar.querySelectorAll<HTMLButtonElement>("button:not(:disabled)")];
  const settle = (current: HTMLElement | undefined): void => {
    for (const button of bar.querySelectorAll("button")) button.tabIndex = button === current ? 0 : -1;
  };
  queueMicrotask(() => settle(stops()[0]));
  bar.addEventListener("focusin", (event) => {
    if (event.target instanceof HTMLElement) settle(event.target.closest("button") ?? undefined);
  });
  bar.addEventListener("keydown", (event) => {
    const list = stops();
    const at = list.findIndex((button) => button === document.activeElement);
    const rtl = getComputedStyle(bar).direction === "rtl" ? -1 : 1;
    const to = { ArrowRight: at + rtl, ArrowLeft: at - rtl, Home: 0, End: list.length - 1 }[event.key];
    if (to === undefined || at < 0) return;
    event.preventDefault();
    list[(to + list.length) % list.length]?.focus();
  });
  // A stop that goes away or is switched off hands its place to the first one that is left.
  new MutationObserver(() => {
    const list = stops();
    if (!list.some((button) => button.tabIndex === 0)) settle(list[0]);
  }).observe(bar, { childList: true, subtree: true, attributes: true, attributeFilter: ["disabled"] });
}
