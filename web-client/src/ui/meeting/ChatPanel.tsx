import { For, Show, createEffect, createMemo, createSignal, on, onMount } from "solid-js";
import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import type { ChatMessage } from "../../session/meeting";
import { CHAT_CHARACTERS_MAX, chatParts } from "../../view-model/chat";
import type { MeetingRoom } from "../../view-model/meeting-room";
import { Button } from "../elements/Button";
import { Icon } from "../elements/Icon";
import styles from "./ChatPanel.module.css";
import { SidePanel } from "./SidePanel";

/** Scrolled up further than this, the person is reading; new messages do not pull them down. */
const FOLLOW_PX = 80;
/** Messages of one person within this time stand under one name. */
const GROUP_MS = 3 * 60_000;

export function ChatPanel(props: { readonly room: MeetingRoom }): JSX.Element {
  const chat = props.room.chat;
  const [draft, setDraft] = createSignal("");
  const [tooLong, setTooLong] = createSignal(false);
  let log: HTMLDivElement | undefined;
  let input: HTMLTextAreaElement | undefined;

  const target = createMemo(() => {
    const id = chat.privateTo();
    return id === null ? null : (props.room.participants().find((person) => person.id === id)?.displayName ?? t().somebody);
  });
  const nameOf = (id: string): string => props.room.participants().find((person) => person.id === id)?.displayName ?? t().somebody;
  const toEnd = (): void => {
    if (log !== undefined) log.scrollTop = log.scrollHeight;
  };
  onMount(() => {
    toEnd();
    input?.focus();
  });
  createEffect(
    on(chat.messages, (messages) => {
      if (log === undefined) return;
      const follows = log.scrollHeight - log.scrollTop - log.clientHeight < FOLLOW_PX;
      if (follows || messages.at(-1)?.mine === true) queueMicrotask(toEnd);
    }, { defer: true }),
  );
  const send = (): void => {
    if (draft().trim().length > CHAT_CHARACTERS_MAX) {
      setTooLong(true);
      return;
    }
    if (chat.send(draft())) setDraft("");
    input?.focus();
  };

  return (
    <SidePanel title={t().chat.title} onClose={props.room.closePanel} testId="chat-panel">
      <div class={styles["log"]} ref={(element) => (log = element)} role="log" aria-label={t().chat.log} aria-live="off" tabindex="0" data-testid="chat-log">
        <Show
          when={chat.messages().length > 0}
          fallback={
            <div class={styles["empty"]}>
              <Icon name="chat" size={32} />
              <p>{t().chat.empty}</p>
            </div>
          }
        >
          <ol>
            <For each={chat.messages()}>{(message, index) => <Message message={message} before={chat.messages()[index() - 1]} nameOf={nameOf} />}</For>
          </ol>
        </Show>
      </div>
      <form
        class={styles["form"]}
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <Show when={target()}>
          {(name) => (
            <div class={styles["target"]}>
              {t().chat.privateTo(name())}
              <Button look="plain" size="small" onClick={() => chat.writeTo(null)}>
                {t().chat.endPrivate}
              </Button>
            </div>
          )}
        </Show>
        <Show when={tooLong()}>
          <p class={styles["failed"]} role="alert">
            {t().chat.tooLong}
          </p>
        </Show>
        <div class={styles["row"]}>
          <textarea
            ref={(element) => (input = element)}
            class={styles["input"]}
            rows="1"
            value={draft()}
            aria-label={target() === null ? t().chat.placeholder : t().chat.placeholderPrivate(target() ?? "")}
            placeholder={target() === null ? t().chat.placeholder : t().chat.placeholderPrivate(target() ?? "")}
            data-testid="chat-input"
            enterkeyhint="send"
            onInput={(event) => {
              setDraft(event.currentTarget.value);
              setTooLong(false);
            }}
            onKeyDown={(event) => {
              if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
              event.preventDefault();
              send();
            }}
          />
          <button type="submit" class={styles["send"]} aria-label={t().chat.send} data-testid="chat-send">
            <Icon name="send" size={20} />
          </button>
        </div>
        <p class={styles["foot"]}>{t().chat.serverReads}</p>
      </form>
    </SidePanel>
  );
}

function Message(props: { readonly message: ChatMessage; readonly before: ChatMessage | undefined; readonly nameOf: (id: string) => string }): JSX.Element {
  const first = (): boolean => {
    const { before, message } = props;
    return (
      before === undefined ||
      before.from !== message.from ||
      before.privateWith !== message.privateWith ||
      before.fromHistory !== message.fromHistory ||
      message.sentAt - before.sentAt > GROUP_MS
    );
  };
  const time = (): string => new Intl.DateTimeFormat(t().language, { hour: "2-digit", minute: "2-digit" }).format(props.message.sentAt);
  return (
    <>
      <Show when={props.message.fromHistory && props.before === undefined}>
        <li class={styles["earlier"]}>{t().chat.earlier}</li>
      </Show>
      <li
        class={styles["message"]}
        data-mine={props.message.mine}
        data-private={props.message.privateWith !== null}
        data-first={first()}
        data-testid="chat-message"
      >
        <Show when={first()}>
          <p class={styles["by"]}>
            <b>{props.message.mine ? t().you : props.message.displayName || t().guest}</b>
            <time dateTime={new Date(props.message.sentAt).toISOString()}>{time()}</time>
            <Show when={props.message.privateWith !== null}>
              <span class={styles["private"]}>{props.message.mine ? t().chat.privateTo(props.nameOf(props.message.privateWith ?? "")) : t().chat.privateFrom}</span>
            </Show>
          </p>
        </Show>
        <p class={styles["text"]}>
          <For each={chatParts(props.message.text)}>
            {(part) =>
              part.kind === "link" ? (
                <a href={part.href} target="_blank" rel="noopener noreferrer nofollow">
                  {part.text}
                </a>
              ) : (
                part.text
              )
            }
          </For>
        </p>
        <Show when={props.message.failed}>
          <p class={styles["failed"]}>
            <Icon name="warning" size={16} />
            {t().chat.failed}
          </p>
        </Show>
      </li>
    </>
  );
}
