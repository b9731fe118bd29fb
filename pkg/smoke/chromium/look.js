// What the page shows now, as JSON.
(want) => {
  const flat = (text) => text.replace(/\s+/g, ' ').trim();
  const visible = (element) => element.getClientRects().length > 0 && getComputedStyle(element).visibility !== 'hidden';
  const any = (root, selector) => [...root.querySelectorAll(selector)].some(visible);
  const body = document.body;
  const root = document.getElementById('root') || body;
  const words = body ? flat(body.innerText || '') : '';
  return JSON.stringify({
    Complete: document.readyState === 'complete',
    Title: document.title.slice(0, 200),
    Words: words.slice(0, 500),
    Found: !want.selector || any(document, want.selector),
    Said: words.includes(flat(want.text)),
    Blank: !root || (!flat(root.innerText || '') && !any(root, 'img, svg, canvas, video, input, iframe, object, embed')),
  });
}
