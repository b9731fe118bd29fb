'use strict';

const { randomBytes } = require('node:crypto');
const { createServer } = require('node:http');
const { createBackend } = require('@backstage/backend-defaults');
const { collectDefaultMetrics, register } = require('prom-client');

// A Secret often holds keys without a value. Backstage refuses an empty string where it would do without the setting.
for (const [name, value] of Object.entries(process.env)) {
  if (value === '') delete process.env[name];
}

// The configuration names SMOKE_TOKEN as a caller's token and cannot leave an entry out. Where the environment gives none,
// nobody may know it either.
process.env.SMOKE_TOKEN ||= randomBytes(32).toString('hex');

// Prometheus reads /metrics here: metrics.port of the chart. Backstage's own port answers that path with the page. What the
// catalog counts is in the same registry.
collectDefaultMetrics();
createServer((request, response) => {
  if (request.url !== '/metrics') {
    response.writeHead(404).end();
    return;
  }
  register.metrics().then(
    metrics => response.writeHead(200, { 'Content-Type': register.contentType }).end(metrics),
    error => response.writeHead(500).end(`${error.message}\n`), // the catalog counts in the database
  );
}).on('error', error => console.error(`no metrics: ${error.message}`)).listen(Number(process.env.METRICS_PORT ?? 9464));

const backend = createBackend();
backend.add(import('@backstage/plugin-app-backend'));
backend.add(import('@backstage/plugin-catalog-backend'));
backend.start();
