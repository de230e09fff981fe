package clients

import (
	"fmt"
	"testing"

	"github.com/redis/go-redis/v9"
)

func goRedis(t *testing.T, protocol int) *redis.Client {
	// A command whose answer is later than that is said again.
	options := redis.Options{Addr: address, Protocol: protocol, ReadTimeout: patience, WriteTimeout: patience}
	client := redis.NewClient(&options)
	t.Cleanup(func() { client.Close() })
	return client
}

func eachProtocol(t *testing.T, test func(t *testing.T, client *redis.Client)) {
	for _, protocol := range []int{2, 3} {
		t.Run(fmt.Sprintf("RESP%d", protocol), func(t *testing.T) { test(t, goRedis(t, protocol)) })
	}
}

// confirmed waits until so many subscriptions are confirmed.
func confirmed(t *testing.T, subscriber *redis.PubSub, times int) {
	t.Helper()
	for range times {
		got, err := subscriber.Receive(within(t))
		must(t, err)
		if _, is := got.(*redis.Subscription); !is {
			t.Fatalf("no confirmation: %v", got)
		}
	}
}

func TestGoRedisHearsChannelsAndPatterns(t *testing.T) {
	eachProtocol(t, func(t *testing.T, client *redis.Client) {
		ctx := within(t)
		subscriber := client.Subscribe(ctx, "news", "other")
		defer subscriber.Close()
		must(t, subscriber.PSubscribe(ctx, "n*"))
		confirmed(t, subscriber, 3)
		heard, err := client.Publish(ctx, "news", "안녕").Result()
		must(t, err)
		equal(t, "heard by", heard, 2)
		counts, err := client.PubSubNumSub(ctx, "news", "nobody").Result()
		must(t, err)
		equal(t, "subscribers", fmt.Sprint(counts), "map[news:1 nobody:0]")
		for _, pattern := range []string{"", "n*"} {
			message, err := subscriber.ReceiveMessage(ctx)
			must(t, err)
			equal(t, "pattern", message.Pattern, pattern)
			equal(t, "text", message.Payload, "안녕")
		}
		must(t, subscriber.Ping(ctx, "there?"))
		pong, err := subscriber.Receive(ctx)
		must(t, err)
		equal(t, "pong", pong.(*redis.Pong).Payload, "there?")
	})
}

func TestGoRedisHearsShardChannels(t *testing.T) {
	eachProtocol(t, func(t *testing.T, client *redis.Client) {
		ctx := within(t)
		subscriber := client.SSubscribe(ctx, "shard")
		defer subscriber.Close()
		confirmed(t, subscriber, 1)
		heard, err := client.SPublish(ctx, "shard", "here").Result()
		must(t, err)
		equal(t, "heard by", heard, 1)
		message, err := subscriber.ReceiveMessage(ctx)
		must(t, err)
		equal(t, "text", message.Payload, "here")
		counts, err := client.PubSubShardNumSub(ctx, "shard").Result()
		must(t, err)
		equal(t, "subscribers", counts["shard"], 1)
	})
}

func TestGoRedisSubscribesAgainAfterARestart(t *testing.T) {
	eachProtocol(t, func(t *testing.T, client *redis.Client) {
		ctx := within(t)
		subscriber := client.Subscribe(ctx, "news")
		defer subscriber.Close()
		must(t, subscriber.PSubscribe(ctx, "n*"))
		confirmed(t, subscriber, 2)
		messages := subscriber.Channel()
		restartBroker(t)
		eventually(t, "it did not subscribe again", func() bool {
			return client.Publish(ctx, "news", "again").Val() == 2
		})
		message := <-messages
		equal(t, "text", message.Payload, "again")
	})
}

func TestGoRedisPipelinesKeepTheirOrder(t *testing.T) {
	eachProtocol(t, func(t *testing.T, client *redis.Client) {
		ctx := within(t)
		subscriber := client.Subscribe(ctx, "many")
		defer subscriber.Close()
		confirmed(t, subscriber, 1)
		_, err := client.Pipelined(ctx, func(pipe redis.Pipeliner) error {
			for number := range 1000 {
				pipe.Publish(ctx, "many", number)
			}
			return nil
		})
		must(t, err)
		for number := range 1000 {
			message, err := subscriber.ReceiveMessage(ctx)
			must(t, err)
			equal(t, "text", message.Payload, fmt.Sprint(number))
		}
	})
}
