// Runs in each page before its own scripts: a page that logs without end floods nobody,
// and an error in its console is short.
(() => {
  const error = console.error.bind(console);
  let left = 50;
  console.error = (...all) => {
    if (left-- > 0) error(...all.slice(0, 10).map((one) => (typeof one === 'string' ? one.slice(0, 2000) : one)));
  };
  console.assert = (holds, ...all) => {
    if (!holds) console.error('assertion failed:', ...all);
  };
  for (const name of ['log', 'debug', 'info', 'warn', 'dir', 'dirxml', 'table', 'trace', 'group', 'groupCollapsed', 'count', 'timeLog', 'timeEnd']) {
    console[name] = () => {};
  }
})();
