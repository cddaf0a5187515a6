// How ids are written. `tests/unit/domain/addresses.json` has cases on which this and the service agree.

import { attempt } from './attempt.js';

/** The one spelling of an id. It is made once: what was decoded must not be decoded again. */
export const normal = id => {
  // It is kept as it is if it is not percent-encoded.
  return (attempt(() => decodeURIComponent(id)) || id).normalize().replace(/;jsessionid=[^/]*|\/\(s\([a-z\d]+\)\)(?![^/])/gi, '').replace(/\/(index\.html)?$/, '') || '/';
};
