// What a page receives, from its own statistics.

import { waitFor } from "./wait.mjs";

/** Frames decoded and audio energy of each incoming stream, over all peer connections of the page. */
export function received(person) {
  return person.evaluate(async () => {
    const streams = {};
    for (const [index, connection] of (window.peerConnections ?? []).entries()) {
      if (connection.connectionState === "closed") continue;
      for (const report of (await connection.getStats()).values()) {
        if (report.type !== "inbound-rtp") continue;
        streams[`${index}/${report.kind}/${report.ssrc}`] = {
          connection: index,
          kind: report.kind,
          frames: report.framesDecoded ?? 0,
          width: report.frameWidth ?? 0,
          height: report.frameHeight ?? 0,
          energy: report.totalAudioEnergy ?? 0,
          packets: report.packetsReceived ?? 0,
        };
      }
    }
    return streams;
  });
}

/** How many video streams decode new frames, and how many audio streams bring new sound, within `overMs`. */
export async function growing(person, overMs = 1_000) {
  const before = await received(person);
  await new Promise((resolve) => setTimeout(resolve, overMs));
  const after = await received(person);
  let video = 0;
  let audio = 0;
  for (const [key, now] of Object.entries(after)) {
    const then = before[key];
    if (!then) continue;
    if (now.kind === "video" && now.frames > then.frames) video += 1;
    if (now.kind === "audio" && now.energy > then.energy && now.packets > then.packets) audio += 1;
  }
  return { video, audio };
}

/** Waits until the page decodes video and hears sound of exactly that many others. */
export async function waitForMedia(person, others, what, timeoutMs = 90_000) {
  const wanted = typeof others === "number" ? { video: others, audio: others } : others;
  let last;
  try {
    return await waitFor(`${what} to receive ${JSON.stringify(wanted)}`, async () => {
      last = await growing(person);
      return last.video === wanted.video && last.audio === wanted.audio && last;
    }, timeoutMs);
  } catch (error) {
    throw new Error(`${error.message}; growing: ${JSON.stringify(last)}; streams: ${JSON.stringify(await received(person))}\n${person.log.slice(-30).join("\n")}`);
  }
}

/** Records, inside the page, the longest time without a new video frame until `stop()` is called. */
export async function watchGap(person) {
  await person.evaluate(() => {
    const watch = { last: performance.now(), frames: -1, longest: 0 };
    window.gapWatch = watch;
    watch.timer = setInterval(async () => {
      let frames = 0;
      for (const connection of window.peerConnections) {
        if (connection.connectionState === "closed") continue;
        for (const report of (await connection.getStats()).values()) {
          if (report.type === "inbound-rtp" && report.kind === "video") frames += report.framesDecoded ?? 0;
        }
      }
      const now = performance.now();
      if (frames !== watch.frames) {
        watch.frames = frames;
        watch.last = now;
      }
      watch.longest = Math.max(watch.longest, now - watch.last);
    }, 50);
  });
  return {
    stop: () => person.evaluate(() => {
      clearInterval(window.gapWatch.timer);
      return window.gapWatch.longest;
    }),
  };
}
