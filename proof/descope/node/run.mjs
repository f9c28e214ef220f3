// Runs the calls of Descope's SDK for Node against a server, and prints a line of JSON for
// each test: its name, and its error if it failed.
import assert from 'node:assert/strict';
import DescopeClient from '@descope/node-sdk';
import createCore from '@descope/core-js-sdk';

const settings = JSON.parse(process.argv[2]);
const { url: baseUrl, project: projectId, key: managementKey } = settings;
const quiet = { log() {}, error() {}, warn() {}, debug() {} };
const client = (more) => DescopeClient({ projectId, baseUrl, logger: quiet, ...more });
const sdk = client({ managementKey });

const ann = 'ann@example.com', bob = 'bob@example.com';
const first = 'vast otter sings low', second = 'calm heron reads maps', third = 'brisk walrus bakes pie';
const page = 'https://shop.example.com/reset';

// ok returns the data of an answer that must be a success.
async function ok(promise) {
  const r = await promise;
  assert.ok(r.ok, `${r.code} ${JSON.stringify(r.error)}`);
  return r.data;
}

// fails expects an error of the SDK, and returns it.
async function fails(promise, code, status) {
  const r = await promise;
  assert.equal(r.ok, false, JSON.stringify(r.data));
  assert.deepEqual([r.error.errorCode, r.code], [code, status], JSON.stringify(r.error));
  assert.ok(r.error.errorDescription && r.error.errorMessage);
  return r.error;
}

async function link(begins) {
  const r = await fetch(`${settings.links}/?begins=${encodeURIComponent(begins)}`);
  return new URL(await r.text());
}

const int32 = (n) => Number.isInteger(n) && n >= 0 && n < 2 ** 31;

let annID, session;

const tests = {
  async 'sign-up, sign-in, policy'() {
    assert.deepEqual(await ok(sdk.password.policy()), { minLength: 15, lowercase: false, uppercase: false, number: false, nonAlphanumeric: false });
    const up = await ok(sdk.password.signUp(ann, first, { name: 'Ann', phone: '+41 44' }));
    annID = up.user.userId;
    assert.ok(up.firstSeen && up.sessionJwt && up.refreshJwt && up.cookies.length === 1);
    assert.ok([up.cookieMaxAge, up.cookieExpiration, up.user.createdTime].every(int32));
    assert.deepEqual([up.user.name, up.user.loginIds, up.user.password, up.user.verifiedEmail], ['Ann', [ann], true, false]);
    await fails(sdk.password.signUp(ann, first), 'E062107', 400);
    await fails(sdk.password.signUp(bob, 'short'), 'E062901', 400);
    await fails(sdk.password.signIn(ann, second), 'E062902', 401);
    await fails(sdk.password.signIn('nobody@example.com', second), 'E062902', 401);
    await fails(sdk.password.signIn(ann, first, { stepup: true }), 'E011003', 400);
    session = await ok(sdk.password.signIn(ann, first));
    assert.ok(!session.firstSeen && session.refreshJwt);
    await fails(client({ projectId: 'P2other' }).password.signIn(ann, first), 'E062912', 401);
  },

  async 'validate and refresh'() {
    const { jwt, token } = await sdk.validateSession(session.sessionJwt, { audience: undefined });
    assert.deepEqual([jwt, token.sub, token.iss], [session.sessionJwt, annID, projectId]);
    await assert.rejects(sdk.validateSession(session.sessionJwt.slice(0, -4) + 'AAAA'));
    await assert.rejects(sdk.refreshSession(session.sessionJwt));
    const refreshed = await sdk.refreshSession(session.refreshJwt);
    assert.equal(refreshed.token.sub, annID);
    // With a cookie the SDK finds the refresh token there, whether it is new or the same.
    const next = refreshed.refreshJwt;
    assert.equal(next !== undefined && next !== session.refreshJwt, !settings.keep, next);
    session.refreshJwt = next ?? session.refreshJwt;
    assert.equal((await sdk.validateAndRefreshSession('x.y.z', session.refreshJwt)).token.sub, annID);
    assert.equal((await sdk.validateAndRefreshSession(session.sessionJwt)).token.sub, annID);
    assert.equal((await ok(sdk.me(session.refreshJwt))).userId, annID);
    await fails(sdk.me(session.sessionJwt), 'E062910', 401);
    await fails(sdk.refresh(session.sessionJwt), 'E062910', 401);
  },

  async 'update, replace and reset'() {
    const { refreshJwt } = await ok(sdk.password.signIn(ann, first));
    await fails(sdk.password.update(bob, second, refreshJwt), 'E062906', 403);
    await fails(sdk.password.update(ann, 'short', refreshJwt), 'E062901', 400);
    await ok(sdk.password.update(ann, second, refreshJwt));
    await fails(sdk.refresh(refreshJwt), 'E064001', 401);
    await fails(sdk.password.replace(ann, first, third), 'E062902', 401);
    const replaced = await ok(sdk.password.replace(ann, second, third));
    assert.ok(replaced.sessionJwt && replaced.refreshJwt);

    await ok(sdk.management.user.updateEmail(ann, ann, true));
    await fails(sdk.password.sendReset(ann, 'https://evil.example/'), 'E011003', 400);
    assert.deepEqual(await ok(sdk.password.sendReset('nobody@example.com', page)), { resetMethod: 'magiclink', maskedEmail: 'n***@e***.com' });
    await ok(sdk.password.sendReset(ann, `${page}?lang=de`, { name: '<b>' }));
    const url = await link(page);
    assert.equal(url.searchParams.get('lang'), 'de');
    const t = url.searchParams.get('t');
    await fails(sdk.magicLink.verify('x' + t), 'E062504', 401);
    const verified = await ok(sdk.magicLink.verify(t));
    await fails(sdk.magicLink.verify(t), 'E062504', 401);
    await ok(sdk.password.update(ann, first, verified.refreshJwt));
    await fails(sdk.refresh(replaced.refreshJwt), 'E064001', 401);
    session = await ok(sdk.password.signIn(ann, first));
  },

  async 'sign-outs'() {
    const [one, two, three] = [await ok(sdk.password.signIn(ann, first)), await ok(sdk.password.signIn(ann, first)), await ok(sdk.password.signIn(ann, first))];
    await ok(sdk.logout(one.refreshJwt));
    await fails(sdk.refresh(one.refreshJwt), 'E064001', 401);
    await ok(sdk.me(two.refreshJwt));
    await ok(sdk.logoutAll(two.refreshJwt));
    for (const s of [two, three]) await fails(sdk.refresh(s.refreshJwt), 'E064001', 401);
    await fails(sdk.refresh(), 'E011002', 401);
  },

  // The SDK below the one for Node, as programs in other runtimes use it.
  async 'the core SDK'() {
    let cookie; // the refresh token of the last answer, if it is in a cookie
    const core = createCore({
      projectId, baseUrl, logger: quiet,
      fetch: async (...request) => {
        const answer = await fetch(...request);
        for (const c of answer.headers.getSetCookie()) cookie = /^DSR=([^;]+)/.exec(c)?.[1] ?? cookie;
        return answer;
      },
    });
    const refreshOf = (data) => data.refreshJwt ?? cookie;
    const eve = 'eve@example.com';
    assert.equal((await ok(core.password.policy())).minLength, 15);
    const up = await ok(core.password.signUp(eve, first, { name: 'Eve' }));
    assert.ok(up.firstSeen && refreshOf(up));
    assert.deepEqual([core.getTenants(up.sessionJwt), core.getJwtRoles(up.sessionJwt), core.getJwtPermissions(up.sessionJwt), core.isJwtExpired(up.sessionJwt)], [[], [], [], false]);
    await fails(core.password.signIn(eve, second), 'E062902', 401);
    let token = refreshOf(await ok(core.password.signIn(eve, first)));
    assert.equal((await ok(core.me(token))).loginIds[0], eve);
    assert.ok(Array.isArray(await ok(core.history(token))));
    assert.deepEqual((await ok(core.myTenants(true, token))).tenants, []);
    await fails(core.selectTenant('T9', token), 'E062907', 403).catch((e) => assert.match(e.message, /40[0-9]/));
    token = refreshOf(await ok(core.refresh(token)));
    token = refreshOf(await ok(core.refresh(token, undefined, undefined, true)));
    assert.deepEqual(await ok(core.refresh('', undefined, undefined, true)), {});
    token = refreshOf(await ok(core.password.replace(eve, first, second)));
    await ok(core.password.update(eve, third, token));
    token = refreshOf(await ok(core.password.signIn(eve, third)));
    await ok(core.logout(token));
    await fails(core.refresh(token), 'E064001', 401);
    token = refreshOf(await ok(core.password.signIn(eve, third)));
    await ok(core.logoutAll(token));
    await fails(core.me(token), 'E064001', 401);
  },

  async 'management: one user'() {
    const users = sdk.management.user;
    await fails(client({ managementKey: '0'.repeat(48) }).management.user.load(ann), 'E062913', 401);
    await fails(client({}).management.user.load(ann), 'E062913', 401);
    const created = await ok(users.create('dora@example.com', {
      displayName: 'Dora D', givenName: 'Dora', phone: '+1', roles: ['editor'], userTenants: [{ tenantId: 'T1', roleNames: ['owner'] }], customAttributes: { seats: 3 }, verifiedEmail: true,
    }));
    const id = created.userId;
    assert.deepEqual([created.name, created.givenName, created.roleNames, created.userTenants[0].tenantId, created.customAttributes, created.verifiedEmail, created.status],
      ['Dora D', 'Dora', ['editor'], 'T1', { seats: 3 }, true, 'enabled']);
    assert.ok(int32(created.createdTime) && created.password === false);
    await fails(users.create('dora@example.com', 'dora@example.com'), 'E062107', 400);
    assert.equal((await ok(users.load('dora@example.com'))).userId, id);
    assert.equal((await ok(users.load(id))).userId, id);
    assert.equal((await ok(users.loadByUserId(id))).userId, id);
    await fails(users.load('nobody'), 'E112102', 404);
    assert.deepEqual((await ok(users.loadUsers([id, annID, 'nobody']))).map((u) => u.userId), [id, annID]);
    const patched = await ok(users.patch(id, { displayName: 'D', customAttributes: { trial: true }, roles: ['a', 'b'] }));
    assert.deepEqual([patched.name, patched.givenName, patched.customAttributes, patched.roleNames], ['D', 'Dora', { seats: 3, trial: true }, ['a', 'b']]);
    const updated = await ok(users.update('dora@example.com', { displayName: 'Dora', roles: ['editor'] }));
    assert.deepEqual([updated.name, updated.givenName, updated.customAttributes, updated.email, updated.verifiedEmail], ['Dora', '', {}, 'dora@example.com', true]);
    assert.equal((await ok(users.deactivate(id))).status, 'disabled');
    assert.deepEqual(await ok(users.loadUsers([id])), []);
    assert.equal((await ok(users.loadUsers([id], true))).length, 1);
    assert.equal((await ok(users.activate('dora@example.com'))).status, 'enabled');
    const moved = await ok(users.updateEmail(id, 'dora2@example.com', false, true));
    assert.deepEqual([moved.email, moved.verifiedEmail], ['dora2@example.com', false]);
    await ok(users.delete(id));
    await fails(users.delete(id), 'E112102', 404);
    await ok(users.deleteByUserId((await ok(users.create('eve'))).userId));
  },

  async 'management: passwords and sessions'() {
    const users = sdk.management.user;
    const { refreshJwt } = await ok(sdk.password.signIn(ann, first));
    await ok(users.setTemporaryPassword(ann, second));
    await fails(sdk.refresh(refreshJwt), 'E064001', 401);
    await fails(sdk.password.signIn(ann, second), 'E062909', 401);
    await ok(sdk.password.replace(ann, second, third));
    await ok(users.expirePassword(ann));
    await fails(sdk.password.signIn(ann, third), 'E062909', 401);
    await fails(users.setActivePassword(ann, 'short'), 'E062901', 400);
    await ok(users.setActivePassword(annID, first + ' 2'));
    await ok(users.setPassword(ann, first + ' 3'));
    await fails(sdk.password.signIn(ann, first + ' 3'), 'E062909', 401);
    await ok(users.setActivePassword(ann, first + ' 4'));
    for (const logout of [() => users.logoutUser(ann), () => users.logoutUserByUserId(annID)]) {
      const s = await ok(sdk.password.signIn(ann, first + ' 4'));
      await ok(logout());
      await fails(sdk.refresh(s.refreshJwt), 'E064001', 401);
    }
    const history = await ok(users.history([annID]));
    assert.ok(history.length > 3 && history.every((h) => h.userId === annID && int32(h.loginTime) && h.ip));
  },

  async 'management: rules for passwords'() {
    const rules = sdk.management.password;
    const before = await ok(rules.getSettings(''));
    assert.deepEqual([before.enabled, before.minLength, before.lock, before.lockAttempts], [true, 15, true, 100]);
    await fails(rules.configureSettings('', { ...before, minLength: 7 }), 'E011003', 400);
    await fails(rules.configureSettings('T1', before), 'E011003', 400);
    await ok(rules.configureSettings('', { ...before, minLength: 20, nonAlphaNumeric: true, nonAlphanumeric: undefined, expiration: true, expirationWeeks: 4, mask: 'kept' }));
    const after = await ok(rules.getSettings(''));
    assert.deepEqual([after.minLength, after.nonAlphanumeric, after.expirationWeeks, after.mask], [20, true, 4, 'kept']);
    assert.deepEqual(await ok(sdk.password.policy()), { minLength: 20, lowercase: false, uppercase: false, number: false, nonAlphanumeric: true });
    await ok(rules.configureSettings('', before));
  },

  async 'management: batches and searches'() {
    const users = sdk.management.user;
    const batch = [];
    for (let i = 0; i < 12; i++) batch.push({ loginId: `user${i}@example.com`, roles: [`r${i % 2}`], status: i % 4 ? 'enabled' : 'disabled' });
    batch.push({ loginIdOrUserId: 'gus@example.com', hashedPassword: { bcrypt: { hash: '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW' } } });
    batch.push({ loginId: 'hal', hashedPassword: { bcrypt: { hash: '$2x$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW' } } }, { loginId: ann }, { loginId: 'USER1@example.com' });
    const made = await ok(users.createBatch(batch));
    assert.deepEqual([made.createdUsers.length, made.failedUsers.map((f) => f.user.loginIds[0])], [13, ['hal', ann, 'USER1@example.com']]);
    assert.ok(made.failedUsers.every((f) => f.failure));
    const again = await ok(users.createBatch(batch));
    assert.deepEqual([again.createdUsers.length, again.failedUsers.length], [0, 16]);
    await ok(sdk.password.signIn('gus@example.com', 'U*U'));

    const invited = await ok(users.inviteBatch([{ loginId: 'ida@example.com', verifiedEmail: true }], page, true));
    assert.equal(invited.createdUsers.length, 1);
    const t = (await link(page)).searchParams.get('t');
    const verified = await ok(sdk.magicLink.verify(t));
    await ok(sdk.password.update('ida@example.com', first, verified.refreshJwt));
    await ok(sdk.password.signIn('ida@example.com', first));
    const { token } = await ok(users.generateEmbeddedLink('ida@example.com'));
    assert.equal((await ok(sdk.magicLink.verify(token))).user.loginIds[0], 'ida@example.com');
    await fails(sdk.magicLink.verify(token), 'E062504', 401);
    assert.equal((await ok(users.invite('kai@example.com', { inviteUrl: page }))).loginIds[0], 'kai@example.com');
    await link(page);

    const hash = '$2b$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW';
    const file = '{"email": "liz@example.com", "name": "Liz"}\n{"email": "max@example.com"}\n';
    for (const payload of [file, Buffer.from(file)]) {
      const imported = await ok(users.import('Auth0', payload, `{"email": "liz@example.com", "passwordHash": "${hash}"}`));
      assert.deepEqual([imported.users.map((u) => u.loginIds[0]), imported.failures], [['liz@example.com', 'max@example.com'], []]);
    }
    await ok(sdk.password.signIn('liz@example.com', 'U*U'));

    const all = await ok(users.search({ text: 'user', limit: 5, page: 2 }));
    assert.deepEqual([all.users.length, all.total], [2, 12]);
    assert.equal((await ok(users.search({ roles: ['r1'], text: 'user' }))).users.length, 6);
    assert.equal((await ok(users.search({ statuses: ['disabled'] }))).users.length, 3);
    assert.equal((await ok(users.search({ loginIds: [ann, 'nobody'] }))).users[0].userId, annID);
    assert.equal((await ok(users.searchAll(undefined, ['r0'], 4, 0))).length, 4);
    await fails(users.search({ sort: [{ field: 'email' }] }), 'E011003', 400);
    const ids = (await ok(users.search({ text: 'user' }))).users.map((u) => u.userId);
    await ok(users.deleteBatch(ids));
    await ok(users.deleteBatch(ids));
    assert.equal((await ok(users.search({ text: 'user' }))).total, 0);
  },
};

for (const [name, test] of Object.entries(tests)) {
  let error = '';
  try {
    await test();
  } catch (e) {
    error = `${e.stack ?? e}`;
  }
  console.log(JSON.stringify({ name, error }));
}
process.exit(0);
