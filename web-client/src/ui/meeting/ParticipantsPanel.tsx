import { For, Show, createMemo } from "solid-js";
import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import type { LobbyVisitor, RemoteParticipant } from "../../session/meeting";
import type { MeetingRoom } from "../../view-model/meeting-room";
import { LOCAL } from "../../view-model/tiles";
import { Avatar } from "../elements/Avatar";
import { Button } from "../elements/Button";
import { Icon } from "../elements/Icon";
import { Menu } from "../elements/Menu";
import type { MenuEntry } from "../elements/Menu";
import styles from "./ParticipantsPanel.module.css";
import { SidePanel } from "./SidePanel";

interface Person {
  readonly id: string;
  readonly name: string;
  readonly rawName: string | null;
  readonly own: boolean;
  readonly moderator: boolean;
  readonly audioMuted: boolean;
  readonly videoMuted: boolean;
  readonly raisedHandAt: number | null;
  readonly screenSharing: boolean;
}

export function ParticipantsPanel(props: {
  readonly room: MeetingRoom;
  readonly onKick: (person: RemoteParticipant) => void;
  readonly onGrant: (person: RemoteParticipant) => void;
}): JSX.Element {
  const people = createMemo<readonly Person[]>(() => {
    const local = props.room.local();
    return [
      {
        id: LOCAL,
        name: local.displayName === "" ? t().you : t().tile.isYou(local.displayName),
        rawName: local.displayName,
        own: true,
        moderator: local.role === "moderator",
        audioMuted: !local.microphone.on,
        videoMuted: !local.camera.on,
        raisedHandAt: local.raisedHandAt,
        screenSharing: local.screen.on,
      },
      ...props.room.participants().map((person) => ({
        id: person.id,
        name: person.displayName ?? t().guest,
        rawName: person.displayName,
        own: false,
        moderator: person.role === "moderator",
        audioMuted: person.audioMuted,
        videoMuted: person.videoMuted,
        raisedHandAt: person.raisedHandAt,
        screenSharing: person.screenSharing,
      })),
    ];
  });
  const ids = createMemo(() => people().map((person) => person.id), [], {
    equals: (a, b) => a.length === b.length && a.every((id, index) => id === b[index]),
  });
  const personOf = (id: string): Person | undefined => people().find((person) => person.id === id);
  const hands = createMemo(() =>
    people()
      .filter((person) => person.raisedHandAt !== null)
      .sort((a, b) => (a.raisedHandAt ?? 0) - (b.raisedHandAt ?? 0)),
  );
  const entries = (id: string): readonly MenuEntry[] => {
    const remote = props.room.participants().find((person) => person.id === id);
    if (remote === undefined) return [];
    const list: MenuEntry[] = [
      { icon: "pin", label: t().participants.pin, act: () => props.room.stage.pin(id), testId: "action-pin" },
      { icon: "chat", label: t().participants.message, act: () => props.room.writePrivately(id), testId: "action-message" },
    ];
    if (!props.room.moderator()) return list;
    if (!remote.audioMuted) list.push({ icon: "microphoneOff", label: t().participants.mute, act: () => props.room.mute(id, "audio"), apart: true, testId: "action-mute" });
    if (!remote.videoMuted) list.push({ icon: "cameraOff", label: t().participants.stopVideo, act: () => props.room.mute(id, "video"), testId: "action-stop-video" });
    if (remote.screenSharing) list.push({ icon: "screenOff", label: t().participants.stopScreen, act: () => props.room.mute(id, "desktop"), testId: "action-stop-screen" });
    if (remote.raisedHandAt !== null) list.push({ icon: "hand", label: t().participants.lowerHand, act: () => props.room.lowerHand(id), testId: "action-lower-hand" });
    if (remote.role !== "moderator") list.push({ icon: "crown", label: t().participants.grant, act: () => props.onGrant(remote), testId: "action-grant" });
    list.push({ icon: "kick", label: t().participants.kick, act: () => props.onKick(remote), danger: true, apart: true, testId: "action-kick" });
    return list;
  };

  return (
    <SidePanel title={t().participants.title} onClose={props.room.closePanel} testId="participants-panel">
      <div class={styles["body"]} tabindex="0" role="region" aria-label={t().participants.title}>
        <Show when={props.room.state().lobbyVisitors.length > 0}>
          <section class={styles["door"]}>
            <h3>{t().participants.door}</h3>
            <ul>
              <For each={props.room.state().lobbyVisitors}>{(visitor) => <Visitor room={props.room} visitor={visitor} />}</For>
            </ul>
          </section>
        </Show>
        <Show when={hands().length > 0}>
          <section>
            <h3>{t().participants.hands}</h3>
            <ol>
              <For each={hands()}>
                {(person) => (
                  <li class={styles["person"]}>
                    <Avatar id={person.id} name={person.rawName} sizePx={36} />
                    <p class={styles["name"]}>
                      <b>{person.name}</b>
                    </p>
                    <p class={styles["marks"]}>
                      <span data-hand="">
                        <Icon name="hand" size={20} />
                      </span>
                    </p>
                  </li>
                )}
              </For>
            </ol>
          </section>
        </Show>
        <section>
          <h3>
            {t().participants.everybody} · {people().length}
          </h3>
          <ul>
            <For each={ids()}>
              {(id) => (
                <Show when={personOf(id)}>
                  {(shown) => <PersonRow person={shown()} entries={entries(id)} />}
                </Show>
              )}
            </For>
          </ul>
        </section>
      </div>
    </SidePanel>
  );
}

function PersonRow(props: { readonly person: Person; readonly entries: readonly MenuEntry[] }): JSX.Element {
  return (
    <li class={styles["person"]} data-testid={`participant-${props.person.id}`}>
      <Avatar id={props.person.id} name={props.person.rawName} sizePx={36} />
      <p class={styles["name"]}>
        <b>{props.person.name}</b>
        <Show when={props.person.moderator}>
          <span>{t().tile.moderator}</span>
        </Show>
      </p>
      <p class={styles["marks"]}>
        <Show when={props.person.screenSharing}>
          <span>
            <Icon name="screen" size={20} />
          </span>
        </Show>
        <Show when={props.person.audioMuted}>
          <span data-off="">
            <Icon name="microphoneOff" size={20} />
            <span class="visually-hidden">{t().tile.muted}</span>
          </span>
        </Show>
      </p>
      <Show when={!props.person.own}>
        <Menu
          label={t().participants.actions(props.person.name)}
          class={styles["more"]}
          entries={props.entries}
          placement="bottom-end"
          testId={`actions-${props.person.id}`}
        >
          <Icon name="more" size={20} />
        </Menu>
      </Show>
    </li>
  );
}

/** Somebody who waits to be let in. */
export function Visitor(props: { readonly room: MeetingRoom; readonly visitor: LobbyVisitor }): JSX.Element {
  const name = (): string => props.visitor.displayName ?? t().guest;
  return (
    <li class={styles["person"]} data-testid={`visitor-${props.visitor.id}`}>
      <p class={styles["name"]}>
        <b>{name()}</b>
      </p>
      <Button size="small" look="plain" aria-label={`${t().meeting.deny}: ${name()}`} onClick={() => props.room.deny(props.visitor.id)} data-testid="lobby-deny">
        {t().meeting.deny}
      </Button>
      <Button size="small" look="primary" aria-label={`${t().meeting.admit}: ${name()}`} onClick={() => props.room.admit(props.visitor.id)} data-testid="lobby-admit">
        {t().meeting.admit}
      </Button>
    </li>
  );
}
