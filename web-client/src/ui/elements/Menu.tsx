import { DropdownMenu } from "@kobalte/core/dropdown-menu";
import { For, Show } from "solid-js";
import type { JSX } from "solid-js";
import { Icon } from "./Icon";
import type { IconName } from "./Icon";
import styles from "./Menu.module.css";

export interface MenuEntry {
  readonly icon: IconName;
  readonly label: string;
  readonly act: () => void;
  readonly danger?: boolean;
  /** A line above this entry. */
  readonly apart?: boolean;
  readonly testId?: string;
}

/** A button that opens a list of actions. */
export function Menu(props: {
  readonly label: string;
  readonly class?: string | undefined;
  readonly entries: readonly MenuEntry[];
  readonly children: JSX.Element;
  readonly placement?: "top" | "bottom-end";
  readonly testId?: string;
}): JSX.Element {
  return (
    <DropdownMenu placement={props.placement ?? "top"} gutter={10} modal={false}>
      <DropdownMenu.Trigger class={props.class} aria-label={props.label} title={props.label} data-testid={props.testId}>
        {props.children}
      </DropdownMenu.Trigger>
      <DropdownMenu.Portal>
        <DropdownMenu.Content class={styles["menu"]}>
          <For each={props.entries}>
            {(entry) => (
              <>
                <Show when={entry.apart}>
                  <DropdownMenu.Separator class={styles["line"]} />
                </Show>
                <DropdownMenu.Item class={styles["item"]} data-danger={entry.danger ? "" : undefined} data-testid={entry.testId} onSelect={entry.act}>
                  <Icon name={entry.icon} size={20} />
                  {entry.label}
                </DropdownMenu.Item>
              </>
            )}
          </For>
        </DropdownMenu.Content>
      </DropdownMenu.Portal>
    </DropdownMenu>
  );
}
