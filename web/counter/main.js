// truycap: counts this view of the page and fills in the figures that the page asks for (docs/embedding.md).
//
// This runs in pages that others have built. So in all files here:
// - What fails leaves the page as it was; nothing is thrown.
// - Nothing of the page is changed but the places that are marked for it, and nothing of the language.
// - Little is used that pages replace: no `URL`, no `JSON.stringify`, no `history`.
import { named } from './article.js';
import { attempt } from './attempt.js';
import { loaded, moved, ready, start } from './navigation.js';
import { fill, later, view } from './places.js';
import { base, manual, replaceOlder, site } from './tag.js';
import { warn } from './warn.js';
import { widget } from './widget.js';

// A copy of the page that is written into an empty window or frame, for printing, is not another view. It can have the
// address of the page.
if (!/^about:blank/m.test(location + '\n' + attempt(() => performance.getEntries()[0].name))) {
  if (!site || !base) {
    warn(`the script tag has no data-${site ? 'host' : 'site'}`);
  } else if ((window.truycap || {}).widget) {
    replaceOlder(); // another script already counts
  } else {
    window.truycap = { fill, view: id => ready.then(() => view(id ? named(id) : loaded())), widget };
    if (manual == null) start();
    attempt(() => new MutationObserver(() => {
      moved();
      later();
    }).observe(document, {
      childList: true,
      characterData: true,
      subtree: true,
      attributeFilter: ['data-truycap', 'data-truycap-top', 'data-article', 'href'], // what decides what a place shows
    }));
  }
}
