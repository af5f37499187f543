import { createEffect } from "solid-js";
import type { JSX } from "solid-js";

/** Plays a stream without sound; the element lives as long as its tile, whatever the stream does. */
export function Video(props: { readonly stream: MediaStream | null; readonly class?: string | undefined }): JSX.Element {
  let element: HTMLVideoElement | undefined;
  createEffect(() => {
    const { stream } = props;
    if (element === undefined || element.srcObject === stream) return;
    element.srcObject = stream;
    if (stream !== null) {
      // Muted pictures may always play; a refusal means the stream was replaced meanwhile.
      element.play().catch(() => undefined);
    }
  });
  return (
    <video
      ref={(video) => {
        video.muted = true;
        element = video;
      }}
      class={props.class}
      autoplay
      playsinline
      aria-hidden="true"
      tabindex="-1"
    />
  );
}
