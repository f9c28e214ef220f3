package pages

import (
	"strconv"
	"strings"

	"github.com/usherkit/usher/internal/locale"
	"github.com/usherkit/usher/password"
)

// policy returns the password policy with the text of each rule.
func (site *Site) policy(s *locale.Speaker) Policy {
	policy := site.service.PasswordPolicy()
	out := Policy{
		MinLength: policy.MinLength, MaxLength: policy.MaxLength, Rules: passwordRules(policy),
		List: []Rule{{"length", s.Text("password.rule.length", policy.MinLength)}},
	}
	for _, rule := range []struct {
		on   bool
		kind string
	}{
		{policy.Lowercase, "lowercase"}, {policy.Uppercase, "uppercase"},
		{policy.Number, "number"}, {policy.NonAlphanumeric, "symbol"},
	} {
		if rule.on {
			out.List = append(out.List, Rule{rule.kind, s.Text("password.rule." + rule.kind)})
		}
	}
	return out
}

// passwordRules returns the value of the attribute passwordrules.
func passwordRules(policy password.Policy) string {
	rules := []string{"minlength: " + strconv.Itoa(policy.MinLength)}
	for _, rule := range []struct {
		on   bool
		text string
	}{
		{policy.Lowercase, "required: lower"}, {policy.Uppercase, "required: upper"},
		{policy.Number, "required: digit"}, {policy.NonAlphanumeric, "required: special"},
	} {
		if rule.on {
			rules = append(rules, rule.text)
		}
	}
	return strings.Join(rules, "; ") + ";"
}
