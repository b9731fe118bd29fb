import { randomBytes } from 'node:crypto';

// A Secret often holds keys without a value. Backstage refuses an empty string where it would do without the setting.
for (const [name, value] of Object.entries(process.env)) {
  if (value === '') delete process.env[name];
}

// The configuration names SMOKE_TOKEN as a caller's token and cannot leave an entry out. Where the environment gives none,
// nobody may know it either.
process.env.SMOKE_TOKEN ||= randomBytes(32).toString('hex');
