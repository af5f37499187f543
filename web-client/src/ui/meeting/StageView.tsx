import { For, Show, createMemo, createSignal, onCleanup, onMount } from "solid-js";
import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import type { Stage } from "../../view-model/stage";
import { Icon } from "../elements/Icon";
import styles from "./StageView.module.css";
import { Tile } from "./Tile";

/** Everybody's pictures. One tab stop; the arrow keys go from tile to tile. */
export function StageView(props: { readonly stage: Stage; readonly children?: JSX.Element }): JSX.Element {
  let canvas: HTMLDivElement | undefined;
  const [active, setActive] = createSignal<string | null>(null);
  const shown = createMemo(
    () =>
      props.stage
        .tiles()
        .map((tile) => tile.key)
        .filter((key) => props.stage.arrangement().places.has(key)),
    [],
    { equals: (a, b) => a.length === b.length && a.every((key, index) => key === b[index]) },
  );
  const tabStop = (): string | null => {
    const key = active();
    return key !== null && shown().includes(key) ? key : (shown()[0] ?? null);
  };

  onMount(() => {
    if (canvas === undefined) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) props.stage.resize({ width: entry.contentRect.width, height: entry.contentRect.height });
    });
    observer.observe(canvas);
    onCleanup(() => observer.disconnect());
  });

  const move = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    const keys = shown();
    const at = keys.indexOf(tabStop() ?? "");
    const next = step === undefined ? undefined : keys[at + step];
    if (next === undefined) return;
    event.preventDefault();
    setActive(next);
    canvas?.querySelectorAll<HTMLButtonElement>("[role=group] > button")[keys.indexOf(next)]?.focus();
  };

  return (
    <section class={styles["stage"]} aria-label={t().meeting.stage} data-testid="stage" data-layout={props.stage.mode()}
      data-paged={props.stage.arrangement().pages > 1} onKeyDown={move}>
      <div class={styles["canvas"]} ref={(element) => (canvas = element)}>
        <For each={shown()}>
          {(key) => (
            <Show when={props.stage.tile(key)}>
              {(tile) => (
                <Show when={props.stage.arrangement().places.get(key)}>
                  {(place) => (
                    <Tile
                      tile={tile()}
                      place={place()}
                      pinned={props.stage.pinned() === key}
                      onPin={() => props.stage.pin(key)}
                      tabIndex={tabStop() === key ? 0 : -1}
                      onFocus={() => setActive(key)}
                    />
                  )}
                </Show>
              )}
            </Show>
          )}
        </For>
      </div>
      <Show when={props.stage.arrangement().pages > 1}>
        <button
          type="button"
          classList={{ [styles["pager"] ?? ""]: true, [styles["previous"] ?? ""]: true }}
          aria-label={t().meeting.previousPage}
          disabled={props.stage.arrangement().page === 0}
          onClick={() => props.stage.turnPage(-1)}
          data-testid="previous-page"
        >
          <Icon name="chevronLeft" />
        </button>
        <button
          type="button"
          classList={{ [styles["pager"] ?? ""]: true, [styles["next"] ?? ""]: true }}
          aria-label={t().meeting.nextPage}
          disabled={props.stage.arrangement().page === props.stage.arrangement().pages - 1}
          onClick={() => props.stage.turnPage(1)}
          data-testid="next-page"
        >
          <Icon name="chevronRight" />
        </button>
        <p class={styles["pages"]} aria-live="polite">
          <span aria-hidden="true">
            {props.stage.arrangement().page + 1}/{props.stage.arrangement().pages}
          </span>
          <span class="visually-hidden">{t().meeting.page(props.stage.arrangement().page + 1, props.stage.arrangement().pages)}</span>
        </p>
      </Show>
      {props.children}
    </section>
  );
}
