// Light or dark and contrast, set before the page is first painted; a classic script, so that nothing flashes.
// A person's own choice is kept; without one the page follows the system.

(() => {
  const root = document.documentElement;
  const queries = { theme: ['(prefers-color-scheme: dark)', 'dark', 'light'], contrast: ['(prefers-contrast: more)', 'more', 'usual'] };

  function kept(name) {
    try {
      return localStorage.getItem(name);
    } catch {
      return null; // storage is blocked
    }
  }

  function apply() {
    for (const [name, [query, on, off]] of Object.entries(queries)) {
      root.dataset[name] = kept(name) ?? (matchMedia(query).matches ? on : off);
    }
  }

  for (const [query] of Object.values(queries)) matchMedia(query).addEventListener('change', apply);
  apply();
})();
