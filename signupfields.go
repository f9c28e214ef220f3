package usher

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/usherkit/usher/internal/background"
	"github.com/usherkit/usher/internal/logs"
)

// SignUpField is a field of the program in a sign-up, such as a company or the acceptance
// of the terms.
type SignUpField struct {
	// Name is the name of the field in the JSON, in the form of the page and in [Fields]:
	// at most 32 ASCII letters, digits and "_", beginning with a letter. It must not be
	// the name of an input that a sign-up has. Required.
	Name string
	// Checkbox makes the field a box, whose value is true or false. A box that is absent
	// from the request is false. Defaults to false: a text of one line.
	Checkbox bool
	// Required refuses an empty text, or a box that is not ticked. Defaults to false.
	Required bool
	// MaxLength is the maximum number of characters of a text. Defaults to 256; at most
	// 2048.
	MaxLength int
	// Autocomplete is the attribute by which browsers fill in a text, such as
	// "organization". Defaults to "off".
	Autocomplete string
	// Check is called for a text that is not empty, and for a box that is ticked, after
	// the sign-up was counted and before the login id is looked up, so that a refusal
	// does not reveal which login ids are free. A [*Rejection] refuses the value; its
	// Field defaults to Name. Any other error fails the sign-up. Defaults to none.
	Check func(ctx context.Context, value any) error
}

// signUpInputs are the names of inputs that a sign-up has, in lower case.
var signUpInputs = []string{
	"loginid", "password", "newpassword", "email", "name", "givenname", "middlename", "familyname", "phone", "picture",
	"user", "fields", "return_to", "token", "username",
}

var fieldName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,31}$`)

// completeSignUpFields returns the fields with their defaults.
func completeSignUpFields(fields []SignUpField) ([]SignUpField, error) {
	fields = slices.Clone(fields)
	seen := slices.Clone(signUpInputs)
	for i := range fields {
		f := &fields[i]
		name := strings.ToLower(f.Name)
		switch {
		case !fieldName.MatchString(f.Name):
			return nil, fmt.Errorf("usher: Config.SignUpFields[%d].Name is %q: it must have 1 to 32 ASCII letters, digits and underscores, and begin with a letter", i, f.Name)
		case slices.Contains(seen, name), strings.HasSuffix(name, "password"):
			return nil, fmt.Errorf("usher: Config.SignUpFields[%d].Name is %q: another input of the sign-up has this name", i, f.Name)
		case strings.HasSuffix(f.Autocomplete, "password"):
			return nil, fmt.Errorf("usher: Config.SignUpFields[%d].Autocomplete is %q: a field must not be a password", i, f.Autocomplete)
		case f.MaxLength < 0, f.MaxLength > 2048:
			return nil, fmt.Errorf("usher: Config.SignUpFields[%d].MaxLength is %d: it must be from 1 to 2048", i, f.MaxLength)
		}
		if f.MaxLength == 0 {
			f.MaxLength = 256
		}
		if f.Autocomplete == "" {
			f.Autocomplete = "off"
		}
		seen = append(seen, name)
	}
	return fields, nil
}

// SignUpFields returns [Config.SignUpFields] with the defaults filled in.
func (s *Service) SignUpFields() []SignUpField { return slices.Clone(s.cfg.SignUpFields) }

// signUpFields returns the values of all declared fields, and the errors of those that are
// not acceptable by themselves.
func (s *Service) signUpFields(given Fields) (Fields, error) {
	var errs []error
	values := Fields{}
	for _, f := range s.cfg.SignUpFields {
		value, present := given[f.Name]
		present = present && value != nil
		text, isText := value.(string)
		ticked, isBox := value.(bool)
		switch {
		case f.Checkbox && present && !isBox:
			errs = append(errs, &FieldError{"fields." + f.Name, "invalid", "must be true or false"})
		case f.Checkbox && f.Required && !ticked:
			errs = append(errs, &FieldError{"fields." + f.Name, "required", "must be true"})
		case f.Checkbox:
			values[f.Name] = ticked
		case present && !isText:
			errs = append(errs, &FieldError{"fields." + f.Name, "invalid", "must be text"})
		default:
			if err := f.checkText(text); err != nil {
				errs = append(errs, err)
			}
			values[f.Name] = text
		}
	}
	const maxUnknown = 10 // errors, so that the answer is not larger than the request
	unknown := 0
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if unknown == maxUnknown {
			break
		}
		if !slices.ContainsFunc(s.cfg.SignUpFields, func(f SignUpField) bool { return f.Name == name }) {
			unknown++
			field := "fields"
			if fieldName.MatchString(name) { // no other text of the client is repeated
				field += "." + name
			}
			errs = append(errs, &FieldError{field, "not_allowed", "must be a field of this sign-up"})
		}
	}
	return values, inputErrors(errs...)
}

// checkText checks the value of a text.
func (f SignUpField) checkText(text string) error {
	switch {
	case len(text) > 4*f.MaxLength, utf8.RuneCountInString(text) > f.MaxLength:
		return &FieldError{"fields." + f.Name, "too_long", fmt.Sprintf("must be at most %d characters", f.MaxLength)}
	case logs.Clean(text, len(text)) != text, strings.ContainsFunc(text, isBidiControl):
		return &FieldError{"fields." + f.Name, "invalid", "must be UTF-8 text without control characters"}
	case f.Required && !strings.ContainsFunc(text, isVisible):
		return &FieldError{"fields." + f.Name, "required", "must not be empty"}
	}
	return nil
}

// checkSignUp asks Config.SignUpRule and the Check of each field. Several refusals are
// returned together.
func (s *Service) checkSignUp(ctx context.Context, u User, fields Fields, c Client) error {
	var refused []error
	ask := func(name string, check func() error) error {
		err := background.Guard(check)
		var rejection *Rejection
		switch {
		case err == nil:
			return nil
		case errors.As(err, &rejection):
			refused = append(refused, err)
			return nil
		}
		return fmt.Errorf("usher: Config.%s: %w", name, err)
	}
	if s.cfg.SignUpRule != nil {
		if err := ask("SignUpRule", func() error { return s.cfg.SignUpRule(ctx, u) }); err != nil {
			return err
		}
	}
	for _, f := range s.cfg.SignUpFields {
		value := fields[f.Name]
		if f.Check == nil || value == nil || value == "" || value == false {
			continue
		}
		err := ask("SignUpFields."+f.Name, func() error {
			err := f.Check(ctx, value)
			var rejection *Rejection
			if errors.As(err, &rejection) && rejection.Field == "" {
				err = &Rejection{Code: rejection.Code, Field: f.Name, Message: rejection.Message}
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	if err := inputErrors(refused...); err != nil {
		return s.signUpError(ctx, err, c)
	}
	return nil
}
