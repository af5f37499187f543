import { splitProps } from "solid-js";
import type { JSX } from "solid-js";
import styles from "./Button.module.css";

export interface ButtonLook {
  readonly look?: "primary" | "quiet" | "plain" | "danger";
  readonly size?: "normal" | "large" | "small";
  readonly square?: boolean;
  readonly wide?: boolean;
}

const OWN = ["look", "size", "square", "wide"] as const;

function classes(props: ButtonLook): Record<string, boolean> {
  const list: Record<string, boolean> = {};
  const add = (name: string, on: boolean): void => {
    const real = styles[name];
    if (real !== undefined) list[real] = on;
  };
  add("button", true);
  add(props.look ?? "quiet", true);
  add("large", props.size === "large");
  add("small", props.size === "small");
  add("square", props.square === true);
  add("wide", props.wide === true);
  return list;
}

export function Button(props: ButtonLook & JSX.ButtonHTMLAttributes<HTMLButtonElement> & { "data-testid"?: string }): JSX.Element {
  const [look, rest] = splitProps(props, OWN);
  return <button type="button" {...rest} classList={classes(look)} />;
}

/** A link that looks like a button, for going somewhere. */
export function ButtonLink(props: ButtonLook & JSX.AnchorHTMLAttributes<HTMLAnchorElement> & { "data-testid"?: string }): JSX.Element {
  const [look, rest] = splitProps(props, OWN);
  return <a {...rest} classList={classes(look)} />;
}
