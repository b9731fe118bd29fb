'use strict';

const { randomBytes } = require('node:crypto');
const { createBackend } = require('@backstage/backend-defaults');

// The configuration names SMOKE_TOKEN as a caller's token and cannot leave an entry out. Where the environment gives none,
// nobody may know it either.
process.env.SMOKE_TOKEN ||= randomBytes(32).toString('hex');

const backend = createBackend();
backend.add(import('@backstage/plugin-app-backend'));
backend.add(import('@backstage/plugin-catalog-backend'));
backend.start();
