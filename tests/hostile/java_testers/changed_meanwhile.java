// Another thread changes the argument while it is asked about.  verdict: passed|error 0
public class Main {
    public static void main(String[] args) {
        Solution s = new Solution();
        List<Integer> given = Collections.synchronizedList(new ArrayList<>(List.of(-1, -2, -3)));
        Thread thread = new Thread(() -> {
            for (int i = 0; i < 1_000_000; i++) {
                given.set(0, -i);
            }
        });
        thread.setDaemon(true);
        thread.start();
        s.positives(List.of(-1));
    }
}
