// Package useragent recognizes the browser and the operating system in a
// User-Agent header.
//
// It returns names from a fixed list and never a part of the header. A client
// can send any text in the header, and a page or an email that quotes it would
// show the text of an attacker under the program's name.
package useragent

import "strings"

// maxLength is the number of bytes of a header that are searched.
const maxLength = 512

// The first token that the header contains decides. The order matters, because
// most browsers also name the browsers that they are compatible with.
var (
	browsers = []product{
		{"Edg/", "Edge"}, {"EdgA/", "Edge"}, {"EdgiOS/", "Edge"},
		{"OPR/", "Opera"},
		{"SamsungBrowser/", "Samsung Internet"},
		{"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"},
		{"CriOS/", "Chrome"}, {"Chromium/", "Chromium"}, {"Chrome/", "Chrome"},
		{"Safari/", "Safari"},
		{"curl/", "curl"},
	}
	systems = []product{
		{"iPhone", "iOS"}, {"iPad", "iPadOS"},
		{"Android", "Android"},
		{"Windows", "Windows"},
		{"CrOS", "ChromeOS"},
		{"Macintosh", "macOS"},
		{"Linux", "Linux"},
	}
)

// product is a token that identifies a product in the header, and its name.
type product struct{ token, name string }

// Of returns the browser and the operating system that a User-Agent header
// names, such as "Firefox" and "Windows". Either is empty if it is unknown.
func Of(userAgent string) (browser, system string) {
	if len(userAgent) > maxLength {
		userAgent = userAgent[:maxLength]
	}
	return firstMatch(browsers, userAgent), firstMatch(systems, userAgent)
}

func firstMatch(products []product, userAgent string) string {
	for _, p := range products {
		if strings.Contains(userAgent, p.token) {
			return p.name
		}
	}
	return ""
}
