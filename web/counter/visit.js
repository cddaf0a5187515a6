// Whether the page that was loaded begins a visit.
import { attempt } from './attempt.js';

/** The origin of the page before: no path, and nothing that JSON escapes. Empty if there was none, or if it hides itself. */
const from = document.referrer.replace(/(\/\/[^/"]*).*/, '$1');

// Not a reload, and not a page of the history. `PerformanceNavigationTiming` has the same, but not in every browser.
let isNew = attempt(() => !performance.navigation.type && from !== location.origin);

/** What the first view says of the visit that it begins. The service decides, because it knows all origins of the site. */
export const visit = () => {
  const text = isNew ? `"visit":true,${from && `"from":"${from}",`}` : '';
  isNew = 0;
  return text;
};
