// Package device tells from a client's user agent which browser and operating
// system it is.
//
// Both are words of a fixed list: the user agent itself is free text that
// anybody can choose, and a mail or page that quotes it would carry a
// stranger's words under the product's name.
package device

import "strings"

// maxUserAgent is how much of a user agent is looked at, in bytes.
const maxUserAgent = 512

// The first mark that a user agent has decides. The order matters: nearly all
// browsers name those that they want to be taken for.
var (
	browsers = []mark{
		{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"},
		{"OPR/", "Opera"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"}, {"Chromium/", "Chromium"}, {"Chrome/", "Chrome"},
		{"Safari/", "Safari"},
		{"curl/", "curl"},
	}
	systems = []mark{
		{"iPhone", "iOS"}, {"iPad", "iPadOS"},
		{"Android", "Android"},
		{"Windows", "Windows"},
		{"CrOS", "ChromeOS"},
		{"Macintosh", "macOS"},
		{"Linux", "Linux"},
	}
)

type mark struct{ text, name string }

// Of returns the browser and the operating system, such as "Firefox" and
// "Windows". What it does not know is empty.
func Of(userAgent string) (browser, system string) {
	if len(userAgent) > maxUserAgent {
		userAgent = userAgent[:maxUserAgent]
	}
	return first(browsers, userAgent), first(systems, userAgent)
}

func first(marks []mark, userAgent string) string {
	for _, m := range marks {
		if strings.Contains(userAgent, m.text) {
			return m.name
		}
	}
	return ""
}
