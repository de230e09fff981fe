// Package clients tests a broker with Go's Redis clients, unmodified. ../test_go.py runs it, with NARU_ADDRESS.
package clients

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"testing"
	"time"
)

// How long something may take that normally takes milliseconds: the machine may be busy.
const patience = 20 * time.Second

var address = os.Getenv("NARU_ADDRESS")

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func equal[T comparable](t *testing.T, what string, got, wanted T) {
	t.Helper()
	if got != wanted {
		t.Fatalf("%s: got %v, wanted %v", what, got, wanted)
	}
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %v: %s", patience, what)
		}
	}
}

var answers = bufio.NewReader(os.Stdin)

// restartBroker asks the one who runs the tests, and waits until it is done.
func restartBroker(t *testing.T) {
	t.Helper()
	fmt.Println("restart the broker")
	_, err := answers.ReadString('\n')
	must(t, err)
}
