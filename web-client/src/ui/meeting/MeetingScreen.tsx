import { For, Show, createEffect, createMemo, createSignal, onCleanup, onMount } from "solid-js";
import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import type { Meeting } from "../../session/meeting";
import { createMeetingRoom } from "../../view-model/meeting-room";
import { roomTitle } from "../../view-model/route";
import type { Services } from "../../view-model/services";
import { focusKind, shortcutOf } from "../../view-model/shortcuts";
import { Button } from "../elements/Button";
import { Icon } from "../elements/Icon";
import { LogoMark } from "../elements/Logo";
import { createAudioPlayback } from "./AudioPlayback";
import { ChatPanel } from "./ChatPanel";
import { ConfirmDialog, DeviceDialog, RoomPasswordDialog, ShortcutDialog } from "./dialogs";
import type { Question } from "./dialogs";
import { EncryptionBadge } from "./EncryptionBadge";
import styles from "./MeetingScreen.module.css";
import { ParticipantsPanel, Visitor } from "./ParticipantsPanel";
import { StageView } from "./StageView";
import { Toasts } from "./Toasts";
import { Toolbar } from "./Toolbar";

const NARROW_PX = 700;
type OpenDialog = "devices" | "shortcuts" | "room-password" | null;

/** The meeting itself: stage, controls, panes. */
export function MeetingScreen(props: { readonly meeting: Meeting; readonly services: Services }): JSX.Element {
  const [dialog, setDialog] = createSignal<OpenDialog>(null);
  const [question, setQuestion] = createSignal<Question | null>(null);
  const [narrow, setNarrow] = createSignal(false);
  const link = (): string => location.origin + location.pathname;
  const room = createMeetingRoom({
    meeting: props.meeting,
    preferences: props.services.preferences,
    now: props.services.now,
    devicePixelRatio: () => window.devicePixelRatio,
    copy: (text) => navigator.clipboard.writeText(text),
    link,
    showHelp: () => setDialog("shortcuts"),
    toggleFullscreen() {
      // Refused where the page is framed without that right: then there is nothing to do.
      if (document.fullscreenElement === null) document.documentElement.requestFullscreen().catch(() => undefined);
      else void document.exitFullscreen();
    },
  });
  const audio = createAudioPlayback(props.meeting);
  let screen: HTMLDivElement | undefined;

  onMount(() => {
    if (screen === undefined) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) setNarrow(entry.contentRect.width < NARROW_PX);
    });
    observer.observe(screen);
    onCleanup(() => observer.disconnect());
  });
  bindKeys();
  returnFocus();

  const clock = createMemo(() => {
    const total = room.elapsedS();
    const two = (n: number): string => String(n).padStart(2, "0");
    const hours = Math.floor(total / 3600);
    return `${hours > 0 ? `${hours}:` : ""}${two(Math.floor(total / 60) % 60)}:${two(total % 60)}`;
  });
  const spoken = createMemo(() => {
    const message = room.chat.newest();
    return message === null ? "" : t().chat.newMessage(message.displayName || t().guest, message.text);
  });
  const visitors = (): boolean => room.moderator() && room.state().lobbyVisitors.length > 0 && room.panel() !== "participants";

  return (
    <div class={styles["screen"]} ref={(element) => (screen = element)} data-narrow={narrow()} data-testid="meeting">
      <header class={styles["top"]}>
        <div class={styles["room"]}>
          <LogoMark size={26} />
          <h1>{roomTitle(props.meeting.room)}</h1>
        </div>
        <EncryptionBadge state={room.encryption()} />
        <div class={styles["facts"]}>
          <Show when={room.state().passwordProtected}>
            <span title={t().meeting.locked}>
              <Icon name="lock" size={18} />
              <span class="visually-hidden">{t().meeting.locked}</span>
            </span>
          </Show>
          <span role="timer" aria-label={t().meeting.timer}>
            {clock()}
          </span>
        </div>
      </header>

      <main id="main" tabindex="-1" class={styles["middle"]} inert={room.reconnecting()}>
        <StageView stage={room.stage}>
          <Toasts notices={room.notices} />
          <Show when={visitors()}>
            <section class={styles["door"]} aria-label={t().meeting.waitingAtDoor(room.state().lobbyVisitors.length)}>
              <h2>{t().meeting.waitingAtDoor(room.state().lobbyVisitors.length)}</h2>
              <ul>
                <For each={room.state().lobbyVisitors}>{(visitor) => <Visitor room={room} visitor={visitor} />}</For>
              </ul>
            </section>
          </Show>
          <Show when={audio.blocked()}>
            <div class={styles["banner"]} role="alert">
              {t().meeting.playBlocked}
              <Button size="small" look="primary" onClick={() => audio.resume()}>
                {t().meeting.playNow}
              </Button>
            </div>
          </Show>
          <Show when={room.pushToTalk()}>
            <p class={styles["banner"]} data-plain="true" role="status">
              <Icon name="microphone" size={20} />
              {t().meeting.pushToTalk}
            </p>
          </Show>
          <Show when={!audio.blocked() && !room.pushToTalk() && room.local().screen.on}>
            <div class={styles["banner"]}>
              <Icon name="screen" size={20} />
              {t().meeting.sharing}
              <Button size="small" onClick={room.toggleScreen}>
                {t().meeting.stopSharing}
              </Button>
            </div>
          </Show>
          <Show when={room.participants().length === 0 && !room.local().screen.on}>
            <section class={styles["alone"]} data-testid="alone">
              <h2>{t().meeting.alone}</h2>
              <p>{t().meeting.aloneText}</p>
              <code class={styles["link"]}>{link()}</code>
              <Button look="primary" onClick={room.copyLink} data-testid="copy-link">
                <Icon name="copy" size={20} />
                {t().meeting.copyLink}
              </Button>
            </section>
          </Show>
        </StageView>
        <Show when={room.panel() !== null}>
          <div class={styles["side"]}>
            <Show when={room.panel() === "chat"}>
              <ChatPanel room={room} />
            </Show>
            <Show when={room.panel() === "participants"}>
              <ParticipantsPanel
                room={room}
                onKick={(person) =>
                  setQuestion({
                    title: t().confirm.kickTitle(person.displayName ?? t().guest),
                    text: t().confirm.kickText,
                    yes: t().confirm.kick,
                    danger: true,
                    act: () => room.kick(person.id),
                  })
                }
                onGrant={(person) =>
                  setQuestion({
                    title: t().confirm.grantTitle(person.displayName ?? t().guest),
                    text: t().confirm.grantText,
                    yes: t().confirm.grant,
                    danger: false,
                    act: () => room.grantModerator(person.id),
                  })
                }
              />
            </Show>
          </div>
        </Show>
      </main>

      <nav aria-label={t().meeting.toolbar} inert={room.reconnecting()}>
        <Toolbar
          room={room}
          narrow={narrow()}
          onSettings={() => setDialog("devices")}
          onShortcuts={() => setDialog("shortcuts")}
          onRoomPassword={() => setDialog("room-password")}
          onEndForAll={() =>
            setQuestion({ title: t().confirm.endTitle, text: t().confirm.endText, yes: t().confirm.end, danger: true, act: room.endForAll })
          }
        />
      </nav>

      <Show when={room.reconnecting()}>
        <div class={styles["overlay"]} role="alert" data-testid="reconnecting">
          <span class={styles["wait"]}>
            <LogoMark size={64} />
          </span>
          <h2>{t().reconnecting.title}</h2>
          <p>{t().reconnecting.text}</p>
          <Button onClick={room.leave}>{t().meeting.leaveMeeting}</Button>
        </div>
      </Show>

      <p class="visually-hidden" aria-live="polite">
        {spoken()}
      </p>
      {audio.view()}
      <DeviceDialog open={dialog() === "devices"} onClose={() => setDialog(null)} meeting={props.meeting} preferences={props.services.preferences} />
      <ShortcutDialog open={dialog() === "shortcuts"} onClose={() => setDialog(null)} preferences={props.services.preferences} />
      <RoomPasswordDialog open={dialog() === "room-password"} onClose={() => setDialog(null)} room={room} />
      <ConfirmDialog question={question()} onClose={() => setQuestion(null)} />
    </div>
  );

  function bindKeys(): void {
    const down = (event: KeyboardEvent): void => {
      if (event.defaultPrevented || !props.services.preferences.value().shortcuts) return;
      const action = shortcutOf(event, focusKind(document.activeElement));
      if (action === null) return;
      event.preventDefault();
      room.keyDown(action);
    };
    const up = (event: KeyboardEvent): void => {
      if (event.key === " ") room.releaseTalk();
    };
    const blur = (): void => room.releaseTalk();
    window.addEventListener("keydown", down);
    window.addEventListener("keyup", up);
    window.addEventListener("blur", blur);
    onCleanup(() => {
      window.removeEventListener("keydown", down);
      window.removeEventListener("keyup", up);
      window.removeEventListener("blur", blur);
    });
  }

  /** When a pane closes, the focus goes back to the control that opened it. */
  function returnFocus(): void {
    createEffect<ReturnType<typeof room.panel>>((before) => {
      const now = room.panel();
      if (before !== null && before !== undefined && now === null && (document.activeElement === null || document.activeElement === document.body)) {
        const control = before === "chat" ? "chat-toggle" : "participants-toggle";
        screen?.querySelector<HTMLElement>(`[data-testid=${control}]`)?.focus();
      }
      return now;
    }, null);
  }
}
