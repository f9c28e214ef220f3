// Plays the journey of a user of docs/spa.md in Chromium: the pages, with the scripts of the guide, come from
// one origin of localhost, and the API from another one. go test starts it.
import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import http from "node:http";
import { chromium } from "playwright-core";

const { app, api, scripts, mail, browser: executablePath } = JSON.parse(process.argv[2]);
const first = "vast otter sings low", second = "calm heron reads maps", loginId = "ann@example.com";

// Every path has a page with the scripts.
const pages = http.createServer((request, response) => {
  response.setHeader("Content-Type", "text/html");
  response.end(`<!doctype html><title>Guide</title>${scripts.map((s) => `<script>${s}</script>`).join("\n")}`);
});
await new Promise((done) => pages.listen(new URL(app).port, "127.0.0.1", done));

const until = async (done) => {
  for (let i = 0; i < 600; i++) {
    const result = await Promise.resolve().then(done).catch(() => undefined);
    if (result) return result;
    await new Promise((next) => setTimeout(next, 100));
  }
  throw new Error(`waited a minute: ${done}`);
};
await until(() => fetch(`${api}/auth/password/policy`));

const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"] });
try {
  const page = await browser.newPage();
  page.on("pageerror", (e) => assert.fail(`script: ${e}`));
  await page.goto(app);
  const user = () => page.evaluate(() => currentUser());
  assert.equal(await user(), null);
  await page.evaluate(([id, pw]) => signUp(id, pw), [loginId, first]);
  assert.equal((await user()).loginId, loginId);
  await page.reload();
  assert.equal((await user()).loginId, loginId, "the session does not survive a reload");
  const profile = await page.evaluate(() => call("GET", "/profile"));
  assert.equal(profile.user, (await user()).id);

  // emailed opens the page of a link, which takes the token out of its address.
  const emailed = async (kind, path) => {
    const link = await until(() => {
      const email = readdirSync(mail).find((name) => name.includes(kind));
      return email && readFileSync(`${mail}/${email}`, "utf8").match(/https?:\/\/\S+token=[\w-]+/)[0];
    });
    assert.ok(link.startsWith(`${app}${path}?token=`), link);
    await page.goto(link);
    assert.equal(page.url(), app + path, "the token stays in the address");
  };
  await emailed("verify_email", "/verify");
  await page.evaluate(() => verifyEmail());
  assert.equal((await user()).emailVerified, true);
  await page.evaluate(() => signOut());
  assert.equal(await user(), null);

  const wrong = await page.evaluate(([id, pw]) => signIn(id, pw).catch(({ status, code, message }) => ({ status, code, message })), [loginId, second]);
  assert.deepEqual([wrong.status, wrong.code, wrong.message !== ""], [401, "invalid_credentials", true]);

  await page.evaluate((id) => requestReset(id), loginId);
  await emailed("reset_password", "/reset");
  await page.evaluate((pw) => setPassword(pw), second);
  await page.evaluate(([id, pw]) => signIn(id, pw), [loginId, second]);
  assert.equal((await user()).loginId, loginId);
  assert.equal(await page.evaluate(() => call("GET", "/auth/sessions").then((r) => r.sessions.length)), 1);

  // A page of another site gets no answer, and its writes change nothing.
  const other = await browser.newPage();
  await other.goto(app.replace("localhost", "127.0.0.1"));
  assert.equal(await other.evaluate(() => currentUser().then(() => "read", () => "refused")), "refused");
  await other.evaluate(() => signOut().catch(() => {}));
  assert.equal((await user()).loginId, loginId);

  // An answer without a body.
  await page.evaluate(async () => call("DELETE", `/auth/sessions/${(await call("GET", "/auth/sessions")).sessions[0].id}`));
  assert.equal(await user(), null);
} finally {
  await browser.close();
  pages.close();
  pages.closeAllConnections();
}
