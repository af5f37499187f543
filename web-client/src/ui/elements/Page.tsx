import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import { Brand } from "./Logo";
import styles from "./Page.module.css";

/** The frame of every page outside a meeting. */
export function Page(props: { readonly children: JSX.Element; readonly end?: JSX.Element }): JSX.Element {
  return (
    <div class={styles["page"]}>
      <a class={styles["skip"]} href="#main">
        {t().skipToContent}
      </a>
      <header class={styles["top"]}>
        <Brand />
        {props.end}
      </header>
      {props.children}
    </div>
  );
}

/** A page with one card in the middle. */
export function CardPage(props: {
  readonly title: string;
  readonly lead?: string | undefined;
  readonly children?: JSX.Element;
  readonly actions?: JSX.Element;
  readonly end?: JSX.Element;
  readonly testId?: string;
}): JSX.Element {
  return (
    <Page end={props.end}>
      <main id="main" tabindex="-1" class={styles["centre"]}>
        <section class={styles["card"]} data-testid={props.testId}>
          <h1 class={styles["title"]}>{props.title}</h1>
          {props.lead === undefined ? null : <p class={styles["lead"]}>{props.lead}</p>}
          {props.children}
          {props.actions === undefined ? null : <div class={styles["actions"]}>{props.actions}</div>}
        </section>
      </main>
    </Page>
  );
}
