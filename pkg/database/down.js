// Takes migrations back, one by one, in the order in which they are named. Each that is
// out is a line of the log; what is asked of it comes by the variable STAGECREW_DOWN.
const fs = require('fs'), path = require('path');
const { down, variables } = JSON.parse(process.env.STAGECREW_DOWN);
const knex = require(require.resolve('knex', { paths: [process.cwd(), '/app'] }));
const value = what => (variables[what] || []).map(name => process.env[name]).find(v => v);
const place = () => {
  const p = { host: value('host'), port: value('port'), user: value('user'), password: value('password') };
  let sslmode = value('sslmode');
  if (!p.host) {
    const u = new URL(value('url'));
    Object.assign(p, { host: u.hostname, port: u.port, user: decodeURIComponent(u.username), password: decodeURIComponent(u.password) });
    sslmode = u.searchParams.get('sslmode') || sslmode;
  }
  p.port = Number(p.port || 5432);
  return [p, sslmode];
};
const folderOf = m => {
  const found = [path.resolve('node_modules', m.folder), '/' + m.folder, path.resolve(m.folder), '/app/node_modules/' + m.folder]
    .find(folder => fs.existsSync(path.join(folder, m.name)));
  if (!found) throw new Error('the image has no file ' + m.name + ' in ' + m.folder);
  return found;
};
const takeBack = async (m, ssl) => {
  const [p] = place();
  const db = knex({ client: 'pg', connection: { ...p, database: m.database, ssl }, searchPath: [m.schema], pool: { min: 0, max: 2 } });
  try {
    await db.migrate.down({ name: m.name, directory: folderOf(m), tableName: m.table, schemaName: m.schema, disableMigrationsListValidation: true });
  } finally {
    await db.destroy();
  }
};
(async () => {
  const sslmode = place()[1];
  let ssl = sslmode && sslmode !== 'disable' && sslmode !== 'allow' && sslmode !== 'prefer' ? { rejectUnauthorized: sslmode.startsWith('verify-') } : false;
  for (const m of down) {
    try {
      await takeBack(m, ssl);
    } catch (e) {
      if (ssl || sslmode || !/no encryption|SSL/i.test(String(e.message))) throw Object.assign(e, { message: m.name + ': ' + e.message });
      ssl = { rejectUnauthorized: false };
      await takeBack(m, ssl);
    }
    console.log('out: ' + m.database + ' ' + m.name);
  }
})().catch(e => {
  console.log('failed: ' + String(e.message).split('\n').join(' '));
  process.exit(1);
});
