import { ErrorBoundary, Match, Suspense, Switch, createEffect, createMemo, createSignal, lazy, onCleanup } from "solid-js";
import type { JSX } from "solid-js";
import { t } from "../messages/catalogue";
import { routeOf } from "../view-model/route";
import type { Route } from "../view-model/route";
import type { Services } from "../view-model/services";
import { Button } from "./elements/Button";
import { CardPage } from "./elements/Page";
import { NotFoundPage } from "./NotFoundPage";
import { WelcomePage } from "./welcome/WelcomePage";

const MeetingPage = lazy(async () => ({ default: (await import("./meeting/MeetingPage")).MeetingPage }));
const AccountPage = lazy(async () => ({ default: (await import("./account/AccountPage")).AccountPage }));
const InvitePage = lazy(async () => ({ default: (await import("./account/InvitePage")).InvitePage }));

/** Chooses the page by the address; links inside stay in this tab's page. */
export function App(props: { readonly services: Services }): JSX.Element {
  const [address, setAddress] = createSignal({ path: location.pathname, hash: location.hash });
  const route = createMemo(() => routeOf(address().path, address().hash));
  const as = <K extends Route["kind"]>(kind: K) =>
    createMemo(() => {
      const now = route();
      return now.kind === kind ? (now as Extract<Route, { readonly kind: K }>) : undefined;
    });
  const meeting = as("meeting");
  const invite = as("invite");

  const read = (): void => {
    setAddress({ path: location.pathname, hash: location.hash });
    window.scrollTo(0, 0);
  };
  const go = (path: string): void => {
    history.pushState(null, "", path);
    read();
  };
  const follow = (event: MouseEvent): void => {
    const link = event.target instanceof Element ? event.target.closest("a") : null;
    if (link === null || event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || link.target !== "") return;
    const to = new URL(link.href);
    if (to.origin !== location.origin || (to.pathname === location.pathname && to.hash !== "")) return;
    event.preventDefault();
    go(to.pathname + to.hash);
  };
  window.addEventListener("popstate", read);
  document.addEventListener("click", follow);
  onCleanup(() => {
    window.removeEventListener("popstate", read);
    document.removeEventListener("click", follow);
  });
  createEffect(() => {
    document.documentElement.lang = t().language;
  });

  return (
    <ErrorBoundary fallback={(reason: unknown) => <BrokenPage reason={reason} />}>
      <Suspense>
        <Switch fallback={<NotFoundPage invalidRoom={route().kind === "invalid-room"} />}>
          <Match when={route().kind === "welcome"}>
            <WelcomePage services={props.services} go={go} />
          </Match>
          <Match when={route().kind === "account"}>
            <AccountPage services={props.services} />
          </Match>
          <Match when={invite()?.token !== undefined ? invite() : undefined} keyed>
            {(invitation) => <InvitePage services={props.services} token={invitation.token} />}
          </Match>
          <Match when={meeting()} keyed>
            {(place) => <MeetingPage services={props.services} room={place.room} />}
          </Match>
        </Switch>
      </Suspense>
    </ErrorBoundary>
  );
}

/** A part of the page did not arrive, or failed. */
function BrokenPage(props: { readonly reason: unknown }): JSX.Element {
  createEffect(() => console.error(props.reason));
  return (
    <CardPage
      testId="broken"
      title={t().broken.title}
      lead={t().broken.text}
      actions={
        <Button look="primary" onClick={() => location.reload()}>
          {t().broken.reload}
        </Button>
      }
    />
  );
}
