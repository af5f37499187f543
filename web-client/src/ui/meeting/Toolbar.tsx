import { Show } from "solid-js";
import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import { Icon } from "../elements/Icon";
import type { IconName } from "../elements/Icon";
import { Menu } from "../elements/Menu";
import type { MenuEntry } from "../elements/Menu";
import type { MeetingRoom } from "../../view-model/meeting-room";
import styles from "./Toolbar.module.css";
import { roving } from "./roving";

interface Tool {
  readonly icon: IconName;
  readonly label: string;
  /** What a click will do. */
  readonly title: string;
  readonly pressed?: boolean | undefined;
  readonly state?: "off" | "active" | "raised" | undefined;
  readonly disabled?: boolean | undefined;
  readonly act: () => void;
  readonly testId: string;
  readonly count?: number | undefined;
  readonly countQuiet?: boolean | undefined;
  /** Said after the label, where the eye sees more than the label says. */
  readonly detail?: string | undefined;
}

export function Toolbar(props: {
  readonly room: MeetingRoom;
  readonly narrow: boolean;
  readonly onSettings: () => void;
  readonly onShortcuts: () => void;
  readonly onRoomPassword: () => void;
  readonly onEndForAll: () => void;
}): JSX.Element {
  const local = () => props.room.local();
  const screen = (): Tool => ({
    icon: local().screen.on ? "screenOff" : "screen",
    label: t().meeting.screen,
    title: local().screen.on ? t().meeting.screenOn : t().meeting.screenOff,
    pressed: local().screen.on,
    state: local().screen.on ? "active" : undefined,
    disabled: local().screen.busy,
    act: props.room.toggleScreen,
    testId: "screen-toggle",
  });
  const hand = (): Tool => ({
    icon: "hand",
    label: t().meeting.hand,
    title: local().raisedHandAt === null ? t().meeting.handDown : t().meeting.handUp,
    pressed: local().raisedHandAt !== null,
    state: local().raisedHandAt === null ? undefined : "raised",
    act: props.room.toggleHand,
    testId: "raise-hand",
  });
  const people = (): Tool => ({
    icon: "people",
    label: t().meeting.participants,
    title: t().meeting.participants,
    detail: t().meeting.participantsCount(props.room.peopleCount()),
    pressed: props.room.panel() === "participants",
    state: props.room.panel() === "participants" ? "active" : undefined,
    act: () => props.room.togglePanel("participants"),
    testId: "participants-toggle",
    count: props.room.peopleCount(),
    countQuiet: true,
  });
  const layout = (): Tool => ({
    icon: props.room.stage.mode() === "grid" ? "speaker" : "grid",
    label: t().meeting.layout,
    title: props.room.stage.mode() === "grid" ? t().meeting.layoutToSpeaker : t().meeting.layoutToGrid,
    detail: props.room.stage.mode() === "grid" ? t().meeting.layoutToSpeaker : t().meeting.layoutToGrid,
    act: props.room.stage.toggleMode,
    testId: "layout-toggle",
  });

  const more = (): readonly MenuEntry[] => {
    const asEntry = (tool: Tool): MenuEntry => ({ icon: tool.icon, label: tool.title, act: tool.act, testId: tool.testId });
    const moderator: readonly MenuEntry[] = props.room.moderator()
      ? [
          { icon: "microphoneOff", label: t().meeting.muteAll, act: props.room.muteAll, apart: true, testId: "mute-all" },
          {
            icon: "lock",
            label: props.room.state().passwordProtected ? t().meeting.changePassword : t().meeting.setPassword,
            act: props.onRoomPassword,
            testId: "room-password",
          },
          {
            icon: "door",
            label: props.room.state().lobbyEnabled ? t().meeting.lobbyOff : t().meeting.lobbyOn,
            act: props.room.toggleLobby,
            testId: "lobby-toggle",
          },
          { icon: "close", label: t().meeting.endForAll, act: props.onEndForAll, danger: true, testId: "end-for-all" },
        ]
      : [];
    return [
      ...(props.narrow ? [asEntry(people()), asEntry(screen()), asEntry(layout())] : []),
      { icon: "settings", label: t().meeting.devices, act: props.onSettings, apart: props.narrow, testId: "settings" },
      { icon: "copy", label: t().meeting.copyLink, act: props.room.copyLink, testId: "copy-link" },
      { icon: "keyboard", label: t().meeting.shortcuts, act: props.onShortcuts, testId: "shortcuts" },
      ...moderator,
    ];
  };

  return (
    <div class={styles["dock"]}>
      <div class={styles["bar"]} role="toolbar" aria-label={t().meeting.toolbar} data-narrow={props.narrow} ref={roving}>
        <ToolButton
          tool={{
            icon: local().microphone.on ? "microphone" : "microphoneOff",
            label: t().meeting.microphone,
            title: local().microphone.on ? t().meeting.microphoneOn : t().meeting.microphoneOff,
            pressed: local().microphone.on,
            state: local().microphone.on ? undefined : "off",
            disabled: local().microphone.busy,
            act: props.room.toggleMicrophone,
            testId: "mic-toggle",
          }}
        />
        <ToolButton
          tool={{
            icon: local().camera.on ? "camera" : "cameraOff",
            label: t().meeting.camera,
            title: local().camera.on ? t().meeting.cameraOn : t().meeting.cameraOff,
            pressed: local().camera.on,
            state: local().camera.on ? undefined : "off",
            disabled: local().camera.busy,
            act: props.room.toggleCamera,
            testId: "camera-toggle",
          }}
        />
        <Show when={!props.narrow}>
          <ToolButton tool={screen()} />
        </Show>
        <ToolButton
          tool={{
            icon: "chat",
            label: t().meeting.chat,
            title: t().meeting.chat,
            detail: props.room.chat.unread() === 0 ? undefined : t().meeting.chatUnread(props.room.chat.unread()),
            pressed: props.room.panel() === "chat",
            state: props.room.panel() === "chat" ? "active" : undefined,
            act: () => props.room.togglePanel("chat"),
            testId: "chat-toggle",
            count: props.room.chat.unread(),
          }}
        />
        <ToolButton tool={hand()} />
        <Show when={!props.narrow}>
          <ToolButton tool={people()} />
          <ToolButton tool={layout()} />
        </Show>
        <Menu label={t().meeting.more} class={styles["tool"]} entries={more()} testId="more-toggle">
          <Icon name="more" />
          <span class={styles["label"]}>{t().meeting.more}</span>
        </Menu>
        <button
          type="button"
          classList={{ [styles["tool"] ?? ""]: true, [styles["leave"] ?? ""]: true }}
          data-testid="leave-button"
          title={t().meeting.leaveMeeting}
          onClick={() => props.room.leave()}
        >
          <Icon name="leave" size={24} />
          <span class={styles["label"]}>{t().meeting.leave}</span>
        </button>
      </div>
    </div>
  );
}

function ToolButton(props: { readonly tool: Tool }): JSX.Element {
  return (
    <button
      type="button"
      class={styles["tool"]}
      data-state={props.tool.state}
      data-testid={props.tool.testId}
      aria-pressed={props.tool.pressed}
      title={props.tool.title}
      disabled={props.tool.disabled ?? false}
      onClick={() => props.tool.act()}
    >
      <Icon name={props.tool.icon} />
      <span class={styles["label"]}>{props.tool.label}</span>
      <Show when={props.tool.detail}>{(detail) => <span class="visually-hidden">: {detail()}</span>}</Show>
      <Show when={(props.tool.count ?? 0) > 0}>
        <span classList={{ [styles["count"] ?? ""]: true, [styles["people"] ?? ""]: props.tool.countQuiet === true }} aria-hidden="true">
          {props.tool.count}
        </span>
      </Show>
    </button>
  );
}
