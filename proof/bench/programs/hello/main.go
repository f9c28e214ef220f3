// Command hello is net/http and nothing else: what every program with a server has.
package main

import (
	"fmt"
	"net/http"
)

func main() {
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "hello") })
	fmt.Println(http.ListenAndServe("localhost:8080", nil))
}
