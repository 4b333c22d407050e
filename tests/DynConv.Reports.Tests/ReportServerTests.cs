using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace DynConv.Reports.Tests;

public sealed class ReportServerTests : IAsyncDisposable
{
    private readonly ReportFolders _folders = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly HttpClient _client = new();
    private readonly ReportServer _server;
    private readonly Task _serving;

    public ReportServerTests()
    {
        Assert.SkipUnless(Browser.IsBuilt, Browser.NotBuilt);
        _folders.AddRun("run", 10);
        _server = ReportServer.Start(new Report([_folders.Root]));
        _serving = _server.RunAsync(_stop.Token);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _serving;
        _server.Dispose();
        _client.Dispose();
        _stop.Dispose();
        _folders.Dispose();
    }

    [Fact]
    public async Task The_page_comes_without_figures_and_asks_for_them()
    {
        string page = await _client.GetStringAsync(_server.Address);
        Assert.DoesNotContain("id=\"data\"", page, StringComparison.Ordinal);
        JsonNode data = JsonNode.Parse(await _client.GetStringAsync($"{_server.Address}data"))!;
        Assert.Equal(10, data["runs"]![0]!["training"]!["step"]!.AsArray().Count);
        JsonNode news = JsonNode.Parse(await _client.GetStringAsync($"{_server.Address}data?session={data["session"]}&have=0.1.10.10"))!;
        Assert.Empty(news["runs"]![0]!["training"]!["step"]!.AsArray());
    }

    [Theory]
    [InlineData("have=nonsense")]
    [InlineData("have=0.1.99999999999.3_..._-1")]
    [InlineData("session=&stamp=&have=0.1.500.2")]
    public async Task A_question_that_makes_no_sense_gets_everything(string query)
    {
        JsonNode data = JsonNode.Parse(await _client.GetStringAsync($"{_server.Address}data?{query}"))!;
        Assert.Equal(10, data["runs"]![0]!["training"]!["step"]!.AsArray().Count);
    }

    [Fact]
    public async Task Nothing_else_is_served()
    {
        Assert.Equal(HttpStatusCode.NotFound, (await _client.GetAsync($"{_server.Address}run/run.yaml")).StatusCode);
        Assert.Equal(HttpStatusCode.NotFound, (await _client.GetAsync($"{_server.Address}..%2f..%2fetc/passwd")).StatusCode);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, (await _client.PostAsync(_server.Address, null)).StatusCode);
    }

    [Fact]
    public async Task Only_this_machine_and_this_name_reach_it()
    {
        int port = new Uri(_server.Address).Port;
        using var request = new HttpRequestMessage(HttpMethod.Get, $"{_server.Address}data") { Headers = { Host = $"elsewhere.example:{port}" } };
        Assert.False((await _client.SendAsync(request)).IsSuccessStatusCode);
        foreach (IPAddress address in (await Dns.GetHostAddressesAsync(Dns.GetHostName())).Where(address => !IPAddress.IsLoopback(address)))
        {
            using var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            await Assert.ThrowsAsync<SocketException>(async () => await socket.ConnectAsync(address, port));
        }
    }

    [Fact]
    public void A_port_that_is_taken_is_passed_over_unless_it_was_asked_for()
    {
        var report = new Report([_folders.Root]);
        int taken = new Uri(_server.Address).Port;
        using ReportServer other = ReportServer.Start(report);
        Assert.NotEqual(_server.Address, other.Address);
        Assert.Contains("try another --port", Assert.Throws<DynConvException>(() => ReportServer.Start(report, "localhost", taken)).Message, StringComparison.Ordinal);
        Assert.Contains("cannot be served", Assert.Throws<DynConvException>(() => ReportServer.Start(report, "192.0.2.1", taken)).Message, StringComparison.Ordinal);
    }
}
