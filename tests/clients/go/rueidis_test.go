package clients

import (
	"context"
	"fmt"
	"testing"

	"github.com/redis/rueidis"
)

// Listed in ../test_go.py as not passing: by default it has its cache of values kept up to date by the server.
func TestRueidisConnectsAsItIs(t *testing.T) {
	client, err := rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{address}})
	must(t, err)
	client.Close()
}

func connectRueidis(t *testing.T) rueidis.Client {
	client, err := rueidis.NewClient(rueidis.ClientOption{
		InitAddress: []string{address}, DisableCache: true,
	})
	must(t, err)
	t.Cleanup(client.Close)
	return client
}

// hear receives in the background; what comes is in the channel.
func hear(t *testing.T, client rueidis.Client, command rueidis.Completed) <-chan rueidis.PubSubMessage {
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	// Room for all that the tests here send, so that nothing blocks the client.
	heard := make(chan rueidis.PubSubMessage, 2048)
	go client.Receive(ctx, command, func(message rueidis.PubSubMessage) { heard <- message })
	return heard
}

func count(t *testing.T, client rueidis.Client, command rueidis.Completed) int64 {
	number, err := client.Do(within(t), command).AsInt64()
	if err != nil {
		return -1
	}
	return number
}

func TestRueidisHearsChannelsPatternsAndShardChannels(t *testing.T) {
	subscriber, publisher := connectRueidis(t), connectRueidis(t)
	b := subscriber.B()
	exact := hear(t, subscriber, b.Subscribe().Channel("news").Build())
	pattern := hear(t, subscriber, b.Psubscribe().Pattern("n*").Build())
	shard := hear(t, subscriber, b.Ssubscribe().Channel("shard").Build())
	eventually(t, "nobody hears", func() bool {
		return count(t, publisher, publisher.B().Publish().Channel("news").Message("안녕").Build()) == 2
	})
	eventually(t, "nobody hears the shard", func() bool {
		return count(t, publisher, publisher.B().Spublish().Channel("shard").Message("here").Build()) == 1
	})
	equal(t, "exact", (<-exact).Message, "안녕")
	equal(t, "pattern", (<-pattern).Pattern, "n*")
	equal(t, "shard", (<-shard).Message, "here")
}

func TestRueidisHearsManyInOrder(t *testing.T) {
	client := connectRueidis(t)
	heard := hear(t, client, client.B().Subscribe().Channel("many").Build())
	eventually(t, "nobody hears", func() bool {
		answer, err := client.Do(within(t), client.B().PubsubNumsub().Channel("many").Build()).AsIntMap()
		return err == nil && answer["many"] == 1
	})
	commands := make(rueidis.Commands, 0, 1000)
	for number := range 1000 {
		commands = append(commands, client.B().Publish().Channel("many").Message(fmt.Sprint(number)).Build())
	}
	for _, answer := range client.DoMulti(within(t), commands...) {
		must(t, answer.Error())
	}
	for number := range 1000 {
		equal(t, "text", (<-heard).Message, fmt.Sprint(number))
	}
}

func TestRueidisSubscribesAgainAfterARestart(t *testing.T) {
	client := connectRueidis(t)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	heard := make(chan string, 2048)
	go func() {
		// It ends when the connection does; to come again is the caller's.
		for ctx.Err() == nil {
			client.Receive(ctx, client.B().Subscribe().Channel("news").Build(), func(message rueidis.PubSubMessage) {
				heard <- message.Message
			})
		}
	}()
	publish := func() bool {
		return count(t, client, client.B().Publish().Channel("news").Message("again").Build()) == 1
	}
	eventually(t, "nobody hears", publish)
	equal(t, "text", <-heard, "again")
	restartBroker(t)
	eventually(t, "it did not subscribe again", publish)
	equal(t, "text", <-heard, "again")
}
