package pages

import "strings"

// webmail has the providers of mailboxes that are read on a website, by domain.
var webmail = func() map[string]Link {
	all := map[string]Link{}
	for _, provider := range []struct{ name, url, domains string }{
		{"Gmail", "https://mail.google.com/", "gmail.com googlemail.com"},
		{"Outlook", "https://outlook.live.com/mail/", "outlook.com outlook.de outlook.es outlook.fr outlook.co.il hotmail.com hotmail.co.uk hotmail.de hotmail.es hotmail.fr live.com live.co.uk live.de live.fr msn.com"},
		{"Yahoo Mail", "https://mail.yahoo.com/", "yahoo.com yahoo.co.uk yahoo.de yahoo.es yahoo.fr ymail.com rocketmail.com"},
		{"iCloud Mail", "https://www.icloud.com/mail", "icloud.com me.com mac.com"},
		{"Proton Mail", "https://mail.proton.me/", "proton.me protonmail.com protonmail.ch pm.me"},
		{"GMX", "https://www.gmx.net/", "gmx.net gmx.de gmx.at gmx.ch"},
		{"GMX", "https://www.gmx.com/", "gmx.com gmx.us gmx.co.uk"},
		{"WEB.DE", "https://web.de/", "web.de"},
		{"AOL Mail", "https://mail.aol.com/", "aol.com"},
		{"Fastmail", "https://app.fastmail.com/", "fastmail.com fastmail.fm"},
		{"Walla", "https://mail.walla.co.il/", "walla.co.il walla.com"},
	} {
		for domain := range strings.FieldsSeq(provider.domains) {
			all[domain] = Link{provider.name, provider.url}
		}
	}
	return all
}()

// Webmail returns the website on which the mailbox of SentTo is read, or nil. It depends
// on the domain that the user has typed alone, and not on whether an email was sent.
func (p *Page) Webmail() *Link {
	_, domain, _ := strings.Cut(p.SentTo, "@")
	if link, ok := webmail[strings.ToLower(domain)]; ok {
		return &link
	}
	return nil
}
