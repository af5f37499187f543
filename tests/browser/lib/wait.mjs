/**
 * Waits until `condition` answers something true, asking again every `intervalMs`, and returns it.
 * Fails with `what` and the last answer when `timeoutMs` have passed.
 */
export async function waitFor(what, condition, timeoutMs = 30_000, intervalMs = 50) {
  const deadline = performance.now() + timeoutMs;
  let last;
  for (;;) {
    last = await condition();
    if (last) return last;
    if (performance.now() > deadline) throw new Error(`waited ${timeoutMs} ms for ${what}; last answer: ${JSON.stringify(last)}`);
    await new Promise((resolve) => setTimeout(resolve, intervalMs));
  }
}
