package download

import (
	"context"
	"errors"
	"sync"
)

// All calls get for all files at the same time. It reports every file that is gone, so
// that all can be replaced at once; any other error cancels the rest.
func All[T any](ctx context.Context, files []T, gone func(error) bool, get func(ctx context.Context, file T) error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, len(files))
	for i, f := range files {
		wg.Go(func() {
			if errs[i] = get(ctx, f); errs[i] != nil && !gone(errs[i]) {
				cancel()
			}
		})
	}
	wg.Wait()
	var found []error
	for _, err := range errs {
		if err != nil && !errors.Is(err, context.Canceled) {
			found = append(found, err)
		}
	}
	if len(found) == 0 && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return errors.Join(found...)
}
