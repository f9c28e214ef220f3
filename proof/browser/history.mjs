// The back button after a sign-out, in the program of the README.
import { address, password, signIn, signUp } from "./harness.mjs";

// Goes back and waits for a heading. Chromium does not report that a page is loaded if it kept the whole page.
const back = async (s, page, path, heading) => {
  await page.goBack({ waitUntil: "commit" });
  await s.expectPage(page, path, heading);
};

const atDashboard = async (s, page) => {
  await page.getByText("hello").waitFor();
  s.equal(new URL(page.url()).pathname, "/dashboard", "path");
};

// Opens some pages of the signed-in user, signs out in the tab, and goes back to the first of those pages.
const signOutAndGoBack = async (s, page, tab) => {
  await atDashboard(s, page); // the answer to the form, by a redirect
  const paths = { "/auth/account": "Your account", "/auth/account/name": "Change your name", "/auth/account/password": "Change your password" };
  for (const [path, heading] of Object.entries(paths)) {
    await page.goto(path);
    await s.expectPage(page, path, heading);
  }
  await page.goto("/dashboard");
  await atDashboard(s, page);
  await tab.goto("/auth/account");
  await tab.getByRole("button", { name: "Sign out", exact: true }).click();
  await s.expectPage(tab, "/auth/signin", "Sign in");
  if (tab !== page) await page.goto("/auth/signin");
  for (let i = 0; i < (tab === page ? 6 : 5); i++) await back(s, page, "/auth/signin", "Sign in");
};

export const history = [
  ["the back button after a sign-out", async (s) => {
    const page = await s.open("readme"), user = address("back");
    await signUp(page, user);
    await signOutAndGoBack(s, page, page);
    await back(s, page, "/auth/signup", "Create your account");

    await page.goto("/auth/signin");
    await signIn(page, user, password);
    await signOutAndGoBack(s, page, await page.context().newPage());
  }],
];
