import { attempt } from './attempt.js';
import { base, site } from './tag.js';
import { warn } from './warn.js';

/**
 * Asks the service; an empty object if there is no answer. A text body needs no preflight, and `keepalive` sends it even if
 * the reader leaves.
 */
export const ask = async (path, body) => {
  let text = `no answer from ${base}`;
  try {
    // A browser before 2022 waits as long as it likes.
    const signal = attempt(() => AbortSignal.timeout(1e4));
    const answer = await fetch(`${base}v1/sites/${site}/${path}`, { method: body && 'POST', body, keepalive: body, signal });
    const json = await answer.json();
    if (answer.ok) return json || {};
    text = json.detail || text;
  } catch {}
  warn(text);
  return {};
};
