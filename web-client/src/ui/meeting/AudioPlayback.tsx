import { For, createEffect, createMemo, createSignal, onCleanup } from "solid-js";
import type { Accessor, JSX } from "solid-js";
import type { Meeting } from "../../session/meeting";
import { watch } from "../../view-model/watch";

export interface AudioPlayback {
  /** The browser refuses to play before the person clicked somewhere. */
  readonly blocked: Accessor<boolean>;
  readonly resume: () => void;
  readonly view: () => JSX.Element;
}

/** Plays every sound of the meeting on the chosen speaker. */
export function createAudioPlayback(meeting: Meeting): AudioPlayback {
  const sources = watch(meeting.audioSources);
  const choice = watch(meeting.deviceChoice);
  const streams = createMemo(() => [...new Set(sources().map((source) => source.stream))]);
  const [blocked, setBlocked] = createSignal(false);
  const players = new Set<HTMLAudioElement>();

  const play = (player: HTMLAudioElement): void => {
    player.play().then(
      () => setBlocked(false),
      (reason: unknown) => {
        // Other refusals mean that the stream went away meanwhile.
        if (reason instanceof DOMException && reason.name === "NotAllowedError") setBlocked(true);
      },
    );
  };

  return {
    blocked,
    resume() {
      for (const player of players) play(player);
    },
    view: () => (
      <For each={streams()}>
        {(stream) => (
          <audio
            autoplay
            ref={(player) => {
              players.add(player);
              player.srcObject = stream;
              play(player);
              createEffect(() => {
                const speaker = choice().speaker ?? "";
                if ("setSinkId" in player && player.sinkId !== speaker) {
                  // A speaker that was unplugged: the system's own one goes on playing.
                  player.setSinkId(speaker).catch(() => undefined);
                }
              });
              onCleanup(() => players.delete(player));
            }}
          />
        )}
      </For>
    ),
  };
}
