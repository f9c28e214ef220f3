package storetest_test

import (
	"testing"

	"github.com/usherkit/usher"
	"github.com/usherkit/usher/storetest"
)

func TestST04_MemoryKeepsTheContract(t *testing.T) {
	storetest.Run(t, func(*testing.T) usher.Store { return storetest.NewMemory() })
}
