package useragent_test

import (
	"strings"
	"testing"

	"github.com/usherkit/usher/internal/useragent"
)

func TestOf(t *testing.T) {
	for userAgent, want := range map[string][2]string{
		"": {}, "<script>": {}, strings.Repeat("x", 600) + "Firefox/140.0": {},
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0":                                                    {"Firefox", "Linux"},
		"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0": {"Edge", "Windows"},
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 14_5) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5 Safari/605.1.15":        {"Safari", "macOS"},
		"Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 CriOS/142.0 Mobile/15E148 Safari/604.1":        {"Chrome", "iOS"},
		"curl/8.14.1": {"curl", ""},
	} {
		if browser, system := useragent.Of(userAgent); browser != want[0] || system != want[1] {
			t.Errorf("%.40q is %q on %q, want %q", userAgent, browser, system, want)
		}
	}
}
