import { Show, createSignal } from "solid-js";
import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import type { EncryptionState } from "../../view-model/encryption";
import { Dialog } from "../elements/Dialog";
import { Icon } from "../elements/Icon";
import type { IconName } from "../elements/Icon";
import styles from "./EncryptionBadge.module.css";

const ICONS: Readonly<Record<EncryptionState, IconName>> = { none: "person", direct: "direct", server: "server" };

/** Always in sight: who could listen at this moment. Opens the explanation. */
export function EncryptionBadge(props: { readonly state: EncryptionState }): JSX.Element {
  const [open, setOpen] = createSignal(false);
  const sentence = (): string => t().encryption[props.state];
  const short = (): string => {
    const words = t().encryption;
    return { none: words.noneShort, direct: words.directShort, server: words.serverShort }[props.state];
  };
  const explanation = (): string => {
    const words = t().encryption;
    return { none: words.noneText, direct: words.directText, server: words.serverText }[props.state];
  };
  return (
    <>
      <button
        type="button"
        class={styles["badge"]}
        data-testid="encryption-badge"
        data-state={props.state}
        title={t().encryption.open}
        onClick={() => setOpen(true)}
      >
        <Icon name={ICONS[props.state]} size={19} />
        <span class={styles["full"]}>{sentence()}</span>
        <span class={styles["short"]} aria-hidden="true">
          {short()}
        </span>
      </button>
      <Dialog open={open()} onClose={() => setOpen(false)} title={t().encryption.panelTitle} testId="encryption-panel">
        <div class={styles["panel"]}>
          <Way state={props.state} />
          <div class={styles["now"]} data-state={props.state}>
            <Icon name={ICONS[props.state]} />
            <strong>{sentence()}</strong>
            <p>{explanation()}</p>
          </div>
          <section>
            <h3>{t().encryption.chatTitle}</h3>
            <p>{t().encryption.chatText}</p>
          </section>
          <section>
            <h3>{t().encryption.changesTitle}</h3>
            <p>{t().encryption.changesText}</p>
          </section>
        </div>
      </Dialog>
    </>
  );
}

/** The way sound and picture take, drawn. */
function Way(props: { readonly state: EncryptionState }): JSX.Element {
  return (
    <svg class={styles["way"]} viewBox="0 0 400 92" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" aria-hidden="true">
      <circle cx="52" cy="46" r="26" fill="var(--surface-sunken)" />
      <circle cx="52" cy="39" r="8" />
      <path d="M38 60c2-9 8-12 14-12s12 3 14 12" />
      <Show when={props.state !== "none"}>
        <circle cx="348" cy="46" r="26" fill="var(--surface-sunken)" />
        <circle cx="348" cy="39" r="8" />
        <path d="M334 60c2-9 8-12 14-12s12 3 14 12" />
      </Show>
      <Show when={props.state === "direct"}>
        <path d="M86 46h228" stroke="var(--accent)" stroke-width="4" />
        <path d="M96 38l-10 8 10 8M304 38l10 8-10 8" stroke="var(--accent)" stroke-width="4" />
      </Show>
      <Show when={props.state === "server"}>
        <path d="M86 46h72M242 46h72" stroke="var(--gold)" stroke-width="4" stroke-dasharray="1 9" />
        <rect x="166" y="16" width="68" height="60" rx="12" fill="var(--surface-sunken)" />
        <path d="M166 46h68M180 31h.01M180 61h.01" stroke-width="4" />
      </Show>
    </svg>
  );
}
