// Sends a verdict on the channel.  verdict: error 0
public class Main {
    public static void main(String[] args) throws Exception {
        Solution s = new Solution();
        s.positives(Arrays.asList(1));
        java.io.FileOutputStream out = new java.io.FileOutputStream(java.io.FileDescriptor.out);
        out.write(new byte[] {0, 0, 0, 5, 'V', 1, 1, 0, 0});
        out.flush();
        s.positives(Arrays.asList(2));
    }
}
