import { Show } from "solid-js";
import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import type { Place } from "../../view-model/arrangement";
import type { TileView } from "../../view-model/tiles";
import { Avatar } from "../elements/Avatar";
import { Icon } from "../elements/Icon";
import { Video } from "../elements/Video";
import styles from "./Tile.module.css";

export function Tile(props: {
  readonly tile: TileView;
  readonly place: Place;
  readonly pinned: boolean;
  readonly onPin: () => void;
  /** Takes part in the stage's single tab stop. */
  readonly tabIndex: number;
  readonly onFocus: () => void;
}): JSX.Element {
  const plainName = (): string => props.tile.name ?? (props.tile.own ? t().you : t().guest);
  const shownName = (): string => {
    if (props.tile.kind === "screen") return t().meeting.screenOf(plainName());
    return props.tile.own ? (props.tile.name === null ? t().you : t().tile.isYou(props.tile.name)) : plainName();
  };
  const description = (): string =>
    [
      shownName(),
      props.tile.role === "moderator" && props.tile.kind === "person" ? t().tile.moderator : null,
      props.tile.kind === "person" && props.tile.audioMuted ? t().tile.muted : null,
      props.tile.dominant ? t().tile.speaking : null,
      props.tile.raisedHandAt === null ? null : t().tile.handRaised,
      props.tile.interrupted ? t().tile.interrupted : null,
    ]
      .filter((part) => part !== null)
      .join(", ");
  return (
    <div
      class={styles["tile"]}
      role="group"
      aria-label={description()}
      data-testid={`tile-${props.tile.key}`}
      data-role={props.place.role}
      data-kind={props.tile.kind}
      data-own={props.tile.own}
      data-dominant={props.tile.dominant}
      data-muted={props.tile.audioMuted}
      data-video={props.tile.stream !== null}
      style={{
        transform: `translate(${props.place.left}px, ${props.place.top}px)`,
        width: `${props.place.width}px`,
        height: `${props.place.height}px`,
      }}
      onDblClick={() => props.onPin()}
    >
      <Show
        when={props.tile.stream}
        fallback={
          <div class={styles["face"]}>
            <Avatar id={props.tile.participant} name={props.tile.name} />
          </div>
        }
      >
        <Video class={styles["video"]} stream={props.tile.stream} />
      </Show>
      <Show when={props.tile.interrupted}>
        <div class={styles["lost"]}>
          <Icon name="signal" />
          {t().tile.interrupted}
        </div>
      </Show>
      <Show when={props.tile.kind === "person" && props.tile.raisedHandAt !== null}>
        <span class={styles["hand"]} aria-hidden="true">
          <Icon name="hand" size={18} />
          <b>{t().meeting.hand}</b>
        </span>
      </Show>
      <span class={styles["name"]} aria-hidden="true">
        <Show when={props.tile.kind === "person" && props.tile.audioMuted}>
          <span class={styles["off"]}>
            <Icon name="microphoneOff" size={16} />
          </span>
        </Show>
        <Show when={props.tile.role === "moderator" && props.tile.kind === "person"}>
          <Icon name="crown" size={15} />
        </Show>
        <b>{shownName()}</b>
      </span>
      <button
        type="button"
        class={styles["pin"]}
        tabindex={props.tabIndex}
        aria-pressed={props.pinned}
        aria-label={props.pinned ? t().tile.unpin(plainName()) : t().tile.pin(plainName())}
        onFocus={() => props.onFocus()}
        onClick={() => props.onPin()}
      >
        <Icon name="pin" size={18} />
      </button>
    </div>
  );
}
