// Asks for a method that it may not call.  verdict: error 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        s.positives(Arrays.asList(1));
        try {
            AstraiosHosted.call("getClass", new Object[0]);
        } catch (Throwable ignored) {
        }
    }
}
