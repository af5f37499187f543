import type { JSX } from "solid-js";
import { t } from "../messages/catalogue";
import { ButtonLink } from "./elements/Button";
import { CardPage } from "./elements/Page";

/** An address that leads nowhere, or to a room that cannot have that name. */
export function NotFoundPage(props: { readonly invalidRoom: boolean }): JSX.Element {
  return (
    <CardPage
      testId="not-found"
      title={props.invalidRoom ? t().notFound.invalidRoom : t().notFound.title}
      lead={props.invalidRoom ? t().notFound.invalidRoomText : t().notFound.text}
      actions={
        <ButtonLink href="/" look="primary">
          {t().notFound.home}
        </ButtonLink>
      }
    />
  );
}
