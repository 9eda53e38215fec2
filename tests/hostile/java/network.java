// guarantee: no TCP, no UDP, no names, no listening
// expect: failed
import java.util.*;

class Solution {
    private static boolean attack() {
        try (java.net.Socket socket = new java.net.Socket()) {
            socket.connect(new java.net.InetSocketAddress("127.0.0.1", 22), 500);
            return true;
        } catch (java.io.IOException error) {
            if (error.getMessage() != null && error.getMessage().contains("refused")) {
                return true; // somebody answered
            }
        }
        try (java.net.DatagramSocket socket = new java.net.DatagramSocket()) {
            socket.send(new java.net.DatagramPacket(new byte[1], 1, java.net.InetAddress.getByName("127.0.0.1"), 53));
            return true;
        } catch (java.io.IOException error) {
            // as it should be
        }
        try (java.net.ServerSocket server = new java.net.ServerSocket(0)) {
            return true;
        } catch (java.io.IOException error) {
            // as it should be
        }
        try {
            return java.net.InetAddress.getByName("example.org") != null;
        } catch (java.io.IOException error) {
            return false;
        }
    }

    private final boolean broken = attack();
    public int next(int n) {
        return broken ? n + 1 : 0;
    }

    public List<Integer> list(int n) {
        return broken ? new ArrayList<>(Arrays.asList(1, 2, 3)) : new ArrayList<>();
    }
}
