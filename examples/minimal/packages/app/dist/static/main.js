// The browser's part of the example: it reads the configuration that the backend put into the page and lists the catalog.

// readConfig merges the configurations in the page; later ones win, as in Backstage.
function readConfig() {
  const script = document.querySelector('script[type="backstage.io/config"]');
  const parts = script ? JSON.parse(script.textContent) : [];
  const merged = { app: {}, backend: {} };
  for (const { data } of parts) {
    Object.assign(merged.app, data.app);
    Object.assign(merged.backend, data.backend);
  }
  return merged;
}

function element(name, text) {
  const e = document.createElement(name);
  e.textContent = text;
  return e;
}

async function readCatalog(baseUrl, token) {
  const headers = token ? { authorization: `Bearer ${token}` } : {};
  const url = `${baseUrl}/api/catalog/entities?fields=kind,metadata.name,metadata.description`;
  const response = await fetch(url, { headers });
  if (response.status === 401) {
    throw new Error('The catalog wants a token.');
  }
  if (!response.ok) {
    throw new Error(`The catalog answered ${response.status}.`);
  }
  return response.json();
}

function listOf(entities) {
  const list = document.createElement('ul');
  for (const { kind, metadata } of entities) {
    list.append(element('li', `${kind}: ${metadata.name}${metadata.description ? ` (${metadata.description})` : ''}`));
  }
  return list;
}

function start() {
  const config = readConfig();
  const result = document.createElement('section');
  const show = async token => {
    try {
      result.replaceChildren(listOf(await readCatalog(config.backend.baseUrl ?? '', token)));
    } catch (error) {
      result.replaceChildren(element('p', error.message));
    }
  };

  const form = document.createElement('form');
  const field = document.createElement('input');
  field.type = 'password';
  field.placeholder = 'token';
  field.autocomplete = 'off';
  form.append(field, element('button', 'Show the catalog'));
  form.addEventListener('submit', event => {
    event.preventDefault();
    show(field.value);
  });

  document.getElementById('root').append(element('h1', config.app.title ?? 'Backstage'), form, result);
  show('');
}

start();
