import { createSignal } from "solid-js";
import type { JSX } from "solid-js";
import { t } from "../../messages/catalogue";
import { suggestRoomName } from "../../view-model/room-name";
import { ROOM_NAME_CHARACTERS_MAX, isRoomName, roomNameFromInput, roomPath } from "../../view-model/route";
import type { Services } from "../../view-model/services";
import { Button, ButtonLink } from "../elements/Button";
import { TextField } from "../elements/Field";
import fieldStyles from "../elements/Field.module.css";
import { Icon } from "../elements/Icon";
import { Page } from "../elements/Page";
import { RoundTable } from "./RoundTable";
import styles from "./WelcomePage.module.css";

export function WelcomePage(props: { readonly services: Services; readonly go: (path: string) => void }): JSX.Element {
  const [room, setRoom] = createSignal(suggestRoomName(props.services.pick));
  const [error, setError] = createSignal<string>();

  const start = (event: SubmitEvent): void => {
    event.preventDefault();
    const name = roomNameFromInput(room());
    if (name === "") setError(t().welcome.empty);
    else if (!isRoomName(name)) setError(t().welcome.invalid);
    else props.go(roomPath(name));
  };

  return (
    <Page
      end={
        <ButtonLink href="/account" look="plain" data-testid="sign-in">
          <Icon name="person" size={20} />
          {t().welcome.signIn}
        </ButtonLink>
      }
    >
      <main id="main" tabindex="-1" class={styles["main"]}>
        <div class={styles["hero"]}>
          <div class={styles["words"]}>
            <h1 class={styles["title"]}>{t().welcome.title}</h1>
            <p class={styles["lead"]}>{t().welcome.lead}</p>
            <form class={styles["form"]} onSubmit={start} noValidate>
              <TextField
                label={t().welcome.nameLabel}
                hint={t().welcome.nameHint}
                error={error()}
                value={room()}
                maxLength={ROOM_NAME_CHARACTERS_MAX}
                autocomplete="off"
                autocapitalize="off"
                spellcheck={false}
                data-testid="room-input"
                onInput={(event) => {
                  setRoom(event.currentTarget.value);
                  setError(undefined);
                }}
                end={
                  <button
                    type="button"
                    class={fieldStyles["end"]}
                    aria-label={t().welcome.another}
                    title={t().welcome.another}
                    onClick={() => {
                      setRoom(suggestRoomName(props.services.pick));
                      setError(undefined);
                    }}
                  >
                    <Icon name="refresh" size={20} />
                  </button>
                }
              />
              <Button type="submit" look="primary" size="large" wide data-testid="start-button">
                {t().welcome.start}
                <Icon name="arrowRight" size={20} />
              </Button>
            </form>
          </div>
          <div class={styles["art"]}>
            <RoundTable />
          </div>
        </div>
        <section aria-labelledby="promises">
          <h2 id="promises" class="visually-hidden">
            {t().welcome.promises}
          </h2>
          <ul class={styles["promises"]}>
            <li>
              <Icon name="direct" />
              <h3>{t().welcome.promiseDirectTitle}</h3>
              <p>{t().welcome.promiseDirect}</p>
            </li>
            <li>
              <Icon name="eye" />
              <h3>{t().welcome.promiseHonestTitle}</h3>
              <p>{t().welcome.promiseHonest}</p>
            </li>
            <li>
              <Icon name="door" />
              <h3>{t().welcome.promiseQuietTitle}</h3>
              <p>{t().welcome.promiseQuiet}</p>
            </li>
          </ul>
        </section>
      </main>
    </Page>
  );
}
