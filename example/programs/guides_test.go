package programs

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/usherkit/usher/internal/guidetest"
)

// clone copies the programs, and returns a shell in the copy. The shell and the copy have free
// ports in place of those of the guides.
func clone(t *testing.T, program string) guidetest.Shell {
	t.Helper()
	ports := guidetest.Ports(t, guidetest.Read(t, filepath.Join("example/programs", program, "main.go")))
	return guidetest.Shell{Dir: guidetest.Copy(t, "example/programs", append(ports, guidetest.Patient...)), Replace: ports}
}

// The commands of docs/api.md print what it shows, with its program running, and the answer to a
// sign-in has the members that it lists.
func TestCF07_TheCommandsOfTheGuideToAnAPI(t *testing.T) {
	shell := clone(t, "mobile")
	shell.Replace = append(shell.Replace, "go run ./mobile\n", "go run ./mobile &\n",
		"sleep 1", guidetest.AwaitReset)
	shell.Run(t, guidetest.Blocks(t, "docs/api.md", "sh", "console"))

	answer, err := os.ReadFile(filepath.Join(shell.Dir, "tokens"))
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range guidetest.Blocks(t, "docs/api.md", "json") {
		if got, want := members(t, string(answer)), members(t, b.Text); got != want {
			t.Errorf("%s:%d: the members are\n%s\nwant\n%s", b.Page, b.Line, got, want)
		}
	}
}

// members returns a JSON document with the kind of each value in place of the value.
func members(t *testing.T, text string) string {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	var kinds func(v any) any
	kinds = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for name := range v {
				v[name] = kinds(v[name])
			}
			return v
		case string:
			return "text"
		case float64:
			return "number"
		default:
			return v
		}
	}
	out, err := json.MarshalIndent(kinds(v), "", " ")
	if err != nil {
		t.Fatal(err)
	}
	return strings.NewReplacer("true", "boolean", "false", "boolean").Replace(string(out))
}

// The commands of docs/services.md print what it shows, with both programs running.
func TestCF07_TheCommandsOfTheGuideToServices(t *testing.T) {
	guidetest.Need(t, "jq")
	shell := clone(t, "services")
	keys := strings.NewReplacer(shell.Replace...).Replace("http://localhost:8080/auth/keys")
	shell.Replace = append(shell.Replace, "go run ./services accounts\n", "go run ./services accounts &\n",
		// A reader starts the second program when the first one is ready.
		"go run ./services reports\n", "curl -s -o /dev/null "+keys+"\ngo run ./services reports &\n",
		"sleep 2", "sleep 4") // on a busy computer
	shell.Run(t, guidetest.Blocks(t, "docs/services.md", "sh accounts", "sh reports", "console"))
}
