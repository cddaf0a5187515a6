// truycap: counts this view of the page and fills in the figures that the page asks for (docs/embedding.md).
// If anything fails, the page stays as it was. The build strips comments and unneeded spaces.
(() => {
  const { src, dataset: { site, article: given, manual } } = document.currentScript;
  if (!site || window.truycap?.view) return; // another script already counts

  // The one spelling of an article's id; undefined for `none` and for an id that the service would refuse.
  const clean = id => {
    try { id = decodeURIComponent(id); } catch {} // not percent-encoded: kept as it is
    id = id.normalize().replace(/\/(index\.html)?$/, '') || '/';
    if (!/^none$|\p{Cc}/u.test(id) && !new TextEncoder().encode(id)[256]) return id;
  };
  const first = () => {
    let url = location;
    try { url = new URL(document.querySelector('[rel=canonical]').href); } catch {}
    return clean(given || url.pathname);
  };
  let article; // the article on the page now; undefined if only the site is counted

  const find = name => [...document.querySelectorAll(`[data-truycap${name}]`)];
  const lang = () => document.documentElement.lang.match(/^[a-z]{2}/i) ?? 'vi';
  // An invalid count stops the filling: this place and all after it stay as they are.
  const text = n => {
    if (n >= 0 && Number.isSafeInteger(n)) return n.toLocaleString(lang());
    throw n;
  };
  const zeros = (n, digits) => ''.padStart(Math.min(digits, 20) - `${n}`.length, 0);
  // Children are elements or text, so neither an answer nor a label becomes markup.
  const make = (name, of, ...all) => {
    const made = Object.assign(document.createElement(name), of);
    made.append(...all);
    return made;
  };

  const labels = {
    today: 'Hôm nay', yesterday: 'Hôm qua', this_week: 'Tuần này', last_week: 'Tuần trước',
    this_month: 'Tháng này', last_month: 'Tháng trước', this_year: 'Năm nay', last_year: 'Năm trước',
  };
  const box = (figures, data) => {
    const vi = /vi/i.test(lang());
    return make('section', { className: 'truycap-box', lang: vi ? 'vi' : 'en' },
      make('h2', {}, vi ? 'Thống kê truy cập' : 'Visitor statistics'),
      make('p', { className: 'truycap-total' },
        // Screen readers get the whole number instead of eleven single digits.
        make('span', { className: 'truycap-said' }, vi ? 'Tổng số lượt truy cập:' : 'Total views:', ' ', text(figures.total)),
        make('span', { className: 'truycap-digits', ariaHidden: true },
          ...[...zeros(figures.total, 11)].map(n => make('i', {}, n)),
          ...[...`${figures.total}`].map(n => make('b', {}, n)))),
      make('dl', {}, ...Object.keys(labels).map(name => make('div', {},
        make('dt', {}, data['label' + name[0].toUpperCase() + name.slice(1)] ||
          (vi ? labels[name] : name[0].toUpperCase() + name.slice(1).replace('_', ' '))),
        make('dd', {}, text(figures[name]))))));
  };

  // Relative to the script, not to the page. A text body needs no preflight; keepalive sends it even if the visitor leaves.
  const ask = async (path, body) => {
    const answer = await fetch(new URL(`v1/sites/${site}/${path}`, src),
      { method: body && 'POST', body, keepalive: body, signal: AbortSignal.timeout?.(1e4) });
    return answer.ok ? answer.json() : {};
  };

  // The article of `article.total`, by default the page's own; false for a figure of the site, such as `total`.
  const idOf = ({ truycap, article: id = article }) => truycap[7] == '.' && id && clean(id);
  const show = (articles, site) => {
    for (const spot of find('')) {
      const { truycap, digits } = spot.dataset;
      const id = idOf(spot.dataset);
      const n = (id === false ? site : articles[id])?.[truycap.split('.').pop()];
      if (n == null) continue; // unknown at the moment
      const plain = text(n);
      // Leading zeros are hidden from screen readers.
      spot.replaceChildren(...digits ? [make('span', { ariaHidden: true }, zeros(n, digits)), n] : [plain]);
    }
    if (site) find('-box').map(spot => spot.replaceChildren(box(site, spot.dataset)));
  };
  const fill = async (path, body) => {
    try {
      const { articles, site } = await ask(path, body);
      show(articles, site);
      const missing = [...new Set(find('').map(spot => idOf(spot.dataset)))].filter(id => id && !articles[id]).slice(0, 500);
      while (missing[0]) show((await ask(
        'figures?' + new URLSearchParams(missing.splice(0, 50).map(id => ['article', id])))).articles);

      for (const list of find('-top').slice(0, 10)) {
        const { truycapTop: period, limit = 10, prefix } = list.dataset;
        const { articles } = await ask('top?' + new URLSearchParams({ period, limit, ...prefix && { prefix } }));
        const titles = {};
        for (const a of document.links) if (a.host == location.host && !a.hash) titles[clean(a.pathname)] ||= a.textContent.trim();
        const rows = articles?.map(({ article: id, views }) => make('li', {},
          make('a', id[0] == '/' && { href: location.origin + encodeURIComponent(id).replaceAll('%2F', '/') }, titles[id] || id), ' ',
          make('span', { className: 'truycap-views' }, text(views))));
        if (rows?.[0]) list.replaceChildren(...rows);
      }
    } catch (error) {
      console.debug(error);
    }
  };

  const once = (...names) => new Promise(done => names.map(name => addEventListener(name, done, true)));
  const ready = (async () => {
    if (document.prerendering) await once('prerenderingchange');
    // The canonical link may be further down. A visitor who leaves before it loads has still viewed the page.
    if (document.readyState == 'loading') await once('DOMContentLoaded', 'pagehide');
  })();
  const view = async id => {
    await ready;
    article = id();
    await fill('views', JSON.stringify({ article }));
  };
  window.truycap = { fill: () => fill('figures'), view: id => view(id ? () => clean(id) : first) };
  manual ?? ready.then(() => {
    let path = location.pathname;
    const moved = () => {
      if (clean(path) != clean(path = location.pathname)) view(() => clean(given == 'none' ? given : path));
    };
    view(first);
    addEventListener('pageshow', event => event.persisted && view(() => article)); // restored from the back/forward cache
    if (window.navigation) return navigation.addEventListener('currententrychange', moved);
    addEventListener('popstate', moved);
    for (const name of ['pushState', 'replaceState']) {
      const old = history[name];
      history[name] = (...all) => { old.apply(history, all); moved(); };
    }
  });
})();
