package store_test

import (
	"fmt"

	"nix2gpu/nix/store"
)

// The path of a derivation's output, and that of its file.
func ExampleDerivations() {
	var all store.Derivations
	path, err := all.Add(&store.Derivation{
		Name: "a", Platform: "x86_64-linux", Builder: "/bin/sh",
		Outputs: map[string]store.Output{"out": {}},
		Env:     map[string]string{"name": "a", "builder": "/bin/sh", "system": "x86_64-linux"},
	})
	fmt.Println(path, err)
	fmt.Println(all.PathOf(path, "out"))
	// Output:
	// /nix/store/7g5giqf764p3y3zv7a8rqsy9sqqq5kw4-a.drv <nil>
	// /nix/store/f37kxm5wf98b2s839zaiybv38zil0s40-a
}

// A text, and something that is known by its hash.
func ExampleTextPath() {
	fmt.Println(store.TextPath("x", "abc", nil))
	fmt.Println(store.FixedPath("x", store.Flat, store.HashText("sha256", "abc")))
	// Output:
	// /nix/store/vylz2d5mzcgx8z67q4xi43zhzf5zrld5-x
	// /nix/store/wg5dqh07jh5lgg9nvzq5skm9i3qkhl00-x
}
