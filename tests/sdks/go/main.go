// Clients of Centrifuge's Go SDK, in JSON and Protobuf. ../../harness/sdks.py gives the orders; what they are called and
// what is told is the same in ../python.py and ../../node/sdks.mjs.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/centrifugal/centrifuge-go"
)

const patience = 20 * time.Second

type line = map[string]any

type options struct {
	Positioned  bool   `json:"positioned"`
	Recoverable bool   `json:"recoverable"`
	JoinLeave   bool   `json:"join_leave"`
	Delta       string `json:"delta"`
}

type position struct {
	Offset uint64 `json:"offset"`
	Epoch  string `json:"epoch"`
}

type order struct {
	Order      int             `json:"order"`
	Do         string          `json:"do"`
	Client     string          `json:"client"`
	Address    string          `json:"address"`
	Encoding   string          `json:"encoding"`
	Token      string          `json:"token"`
	NextTokens []string        `json:"next_tokens"`
	Data       json.RawMessage `json:"data"`
	Base64     []byte          `json:"base64"`
	Channel    string          `json:"channel"`
	Method     string          `json:"method"`
	Options    options         `json:"options"`
	Limit      int32           `json:"limit"`
	Since      *position       `json:"since"`
	Reverse    bool            `json:"reverse"`
}

var (
	output  sync.Mutex
	guard   sync.Mutex
	clients = map[string]*centrifuge.Client{}
)

func say(what line) {
	output.Lock()
	defer output.Unlock()
	text, err := json.Marshal(what)
	if err != nil {
		panic(err)
	}
	os.Stdout.Write(append(text, '\n'))
}

// A payload: what it is in JSON, or else its bytes.
func payload(data []byte) any {
	if len(data) == 0 {
		return nil
	}
	if json.Valid(data) {
		return json.RawMessage(data)
	}
	return line{"base64": data}
}

func who(info *centrifuge.ClientInfo) any {
	if info == nil {
		return nil
	}
	return line{
		"client": info.Client, "user": info.User,
		"conn_info": payload(info.ConnInfo), "chan_info": payload(info.ChanInfo),
	}
}

func publication(it centrifuge.Publication) line {
	return line{"data": payload(it.Data), "offset": it.Offset, "info": who(it.Info), "tags": it.Tags}
}

func standing(recoverable, positioned, wasRecovering, recovered bool, at *centrifuge.StreamPosition, data []byte) line {
	it := line{
		"recoverable": recoverable, "positioned": positioned,
		"was_recovering": wasRecovering, "recovered": recovered, "data": payload(data),
	}
	if at != nil {
		it["position"] = position{at.Offset, at.Epoch}
	}
	return it
}

func failure(err error) line {
	var refused *centrifuge.Error
	if errors.As(err, &refused) {
		return line{"code": refused.Code, "message": refused.Message, "temporary": refused.Temporary}
	}
	return line{"code": nil, "message": err.Error()}
}

type tell func(event string, what line)

// Tells of one client, or of one of its subscriptions.
func teller(about line) tell {
	return func(event string, what line) {
		all := line{"event": event}
		for _, part := range []line{about, what} {
			for key, value := range part {
				all[key] = value
			}
		}
		say(all)
	}
}

// Tokens that an application would fetch, one after the other.
func fetching(tokens []string, tell tell, event string) func() (string, error) {
	var guard sync.Mutex
	return func() (string, error) {
		tell(event, nil)
		guard.Lock()
		defer guard.Unlock()
		if len(tokens) == 0 {
			return "", nil
		}
		token := tokens[0]
		tokens = tokens[1:]
		return token, nil
	}
}

func open(it order) error {
	tell := teller(line{"client": it.Client})
	config := centrifuge.Config{
		Token:             it.Token,
		Data:              it.Data,
		HandshakeTimeout:  patience,
		MinReconnectDelay: 20 * time.Millisecond,
		MaxReconnectDelay: 200 * time.Millisecond,
	}
	if it.NextTokens != nil {
		fetch := fetching(it.NextTokens, tell, "token asked for")
		config.GetToken = func(centrifuge.ConnectionTokenEvent) (string, error) { return fetch() }
	}
	var client *centrifuge.Client
	if it.Encoding == "protobuf" {
		client = centrifuge.NewProtobufClient(it.Address, config)
	} else {
		client = centrifuge.NewJsonClient(it.Address, config)
	}
	client.OnConnecting(func(e centrifuge.ConnectingEvent) { tell("connecting", line{"code": e.Code, "reason": e.Reason}) })
	client.OnConnected(func(e centrifuge.ConnectedEvent) {
		tell("connected", line{"id": e.ClientID, "data": payload(e.Data)})
	})
	client.OnDisconnected(func(e centrifuge.DisconnectedEvent) {
		tell("disconnected", line{"code": e.Code, "reason": e.Reason})
	})
	client.OnError(func(e centrifuge.ErrorEvent) { tell("error", failure(e.Error)) })
	client.OnSubscribing(func(e centrifuge.ServerSubscribingEvent) {
		tell("server subscribing", line{"channel": e.Channel})
	})
	client.OnSubscribed(func(e centrifuge.ServerSubscribedEvent) {
		what := standing(e.Recoverable, e.Positioned, e.WasRecovering, e.Recovered, e.StreamPosition, e.Data)
		what["channel"] = e.Channel
		tell("server subscribed", what)
	})
	client.OnUnsubscribed(func(e centrifuge.ServerUnsubscribedEvent) {
		tell("server unsubscribed", line{"channel": e.Channel})
	})
	client.OnPublication(func(e centrifuge.ServerPublicationEvent) {
		what := publication(e.Publication)
		what["channel"] = e.Channel
		tell("server publication", what)
	})
	client.OnJoin(func(e centrifuge.ServerJoinEvent) {
		tell("server join", line{"channel": e.Channel, "info": who(&e.ClientInfo)})
	})
	client.OnLeave(func(e centrifuge.ServerLeaveEvent) {
		tell("server leave", line{"channel": e.Channel, "info": who(&e.ClientInfo)})
	})
	guard.Lock()
	clients[it.Client] = client
	guard.Unlock()
	return client.Connect()
}

func subscribe(client *centrifuge.Client, it order) error {
	tell := teller(line{"client": it.Client, "channel": it.Channel})
	config := centrifuge.SubscriptionConfig{
		Token:               it.Token,
		Data:                it.Data,
		Positioned:          it.Options.Positioned,
		Recoverable:         it.Options.Recoverable,
		JoinLeave:           it.Options.JoinLeave,
		Delta:               centrifuge.DeltaType(it.Options.Delta),
		MinResubscribeDelay: 20 * time.Millisecond,
		MaxResubscribeDelay: 200 * time.Millisecond,
	}
	if it.NextTokens != nil {
		fetch := fetching(it.NextTokens, tell, "subscription token asked for")
		config.GetToken = func(centrifuge.SubscriptionTokenEvent) (string, error) { return fetch() }
	}
	subscription, err := client.NewSubscription(it.Channel, config)
	if err != nil {
		return err
	}
	subscription.OnSubscribing(func(e centrifuge.SubscribingEvent) {
		tell("subscribing", line{"code": e.Code, "reason": e.Reason})
	})
	subscription.OnSubscribed(func(e centrifuge.SubscribedEvent) {
		tell("subscribed", standing(e.Recoverable, e.Positioned, e.WasRecovering, e.Recovered, e.StreamPosition, e.Data))
	})
	subscription.OnUnsubscribed(func(e centrifuge.UnsubscribedEvent) {
		tell("unsubscribed", line{"code": e.Code, "reason": e.Reason})
	})
	subscription.OnPublication(func(e centrifuge.PublicationEvent) { tell("publication", publication(e.Publication)) })
	subscription.OnJoin(func(e centrifuge.JoinEvent) { tell("join", line{"info": who(&e.ClientInfo)}) })
	subscription.OnLeave(func(e centrifuge.LeaveEvent) { tell("leave", line{"info": who(&e.ClientInfo)}) })
	subscription.OnError(func(e centrifuge.SubscriptionErrorEvent) { tell("subscription error", failure(e.Error)) })
	return subscription.Subscribe()
}

func carryOut(ctx context.Context, it order) (any, error) {
	if it.Do == "open" {
		return nil, open(it)
	}
	guard.Lock()
	client := clients[it.Client]
	guard.Unlock()
	data := []byte(it.Data)
	if it.Base64 != nil {
		data = it.Base64
	}
	switch it.Do {
	case "connect":
		return nil, client.Connect()
	case "disconnect":
		return nil, client.Disconnect()
	case "subscribe":
		return nil, subscribe(client, it)
	case "subscribe again", "unsubscribe":
		subscription, found := client.GetSubscription(it.Channel)
		if !found {
			return nil, errors.New("there is no such subscription")
		}
		if it.Do == "unsubscribe" {
			return nil, subscription.Unsubscribe()
		}
		return nil, subscription.Subscribe()
	case "publish":
		_, err := client.Publish(ctx, it.Channel, data)
		return line{}, err
	case "rpc":
		answer, err := client.RPC(ctx, it.Method, data)
		return payload(answer.Data), err
	case "send":
		return nil, client.Send(ctx, data)
	case "history":
		how := []centrifuge.HistoryOption{centrifuge.WithHistoryLimit(it.Limit), centrifuge.WithHistoryReverse(it.Reverse)}
		if it.Since != nil {
			since := centrifuge.StreamPosition{Offset: it.Since.Offset, Epoch: it.Since.Epoch}
			how = append(how, centrifuge.WithHistorySince(&since))
		}
		page, err := client.History(ctx, it.Channel, how...)
		publications := []line{}
		for _, one := range page.Publications {
			publications = append(publications, publication(one))
		}
		return line{"offset": page.Offset, "epoch": page.Epoch, "publications": publications}, err
	case "presence":
		there, err := client.Presence(ctx, it.Channel)
		present := line{}
		for id, info := range there.Clients {
			present[id] = who(&info)
		}
		return present, err
	case "presence stats":
		stats, err := client.PresenceStats(ctx, it.Channel)
		return line{"clients": stats.NumClients, "users": stats.NumUsers}, err
	default:
		return nil, fmt.Errorf("what is %s?", it.Do)
	}
}

func answer(it order) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	result, err := carryOut(ctx, it)
	if err != nil {
		say(line{"order": it.Order, "error": failure(err)})
	} else {
		say(line{"order": it.Order, "result": result})
	}
}

func main() {
	orders := bufio.NewScanner(os.Stdin)
	orders.Buffer(nil, 1<<24)
	for orders.Scan() {
		var it order
		if err := json.Unmarshal(orders.Bytes(), &it); err != nil {
			panic(err)
		}
		go answer(it)
	}
}
